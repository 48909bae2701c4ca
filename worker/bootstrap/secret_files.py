"""The folder of secrets that services read by `<NAME>_FILE`: one file for each."""

from __future__ import annotations

from pathlib import Path


class SecretFiles:
    """`folder`: as `deploy/prepare.py` made it, mounted writable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> str:
        """Return the secret, or an empty text when there is none."""
        path = self._folder / name
        return path.read_text().strip() if path.exists() else ""

    def write(self, name: str, text: str) -> None:
        """Write the secret in place: a container that mounts this very file must see it."""
        path = self._folder / name
        if not path.exists():
            path.touch(mode=0o600)
        with path.open("r+") as file:
            file.truncate()
            file.write(text)
