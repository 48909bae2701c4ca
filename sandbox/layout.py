"""The ports, files and secrets of a sandbox: ports from one base, files in one folder, secrets kept between starts."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

#: offsets of the parts' ports from the port base
OFFSETS = {
    "api": 1,
    "flower": 2,
    "mongodb": 3,
    "valkey": 4,
    "authentik": 5,
    "stalwart": 6,
    "ocis": 7,
    # controls over HTTP, and DNS over UDP and TCP
    "dns": 8,
    "resolver": 9,
    "console": 10,
    # Stalwart's SMTP listener
    "smtp": 11,
    "stripe": 12,
}
#: a second port of a product
PRODUCT_OF = {"resolver": "dns", "smtp": "stalwart"}
DEFAULT_BASE = 3000
SECRET_NAMES = (
    "authentik_api_token",
    "stalwart_token",
    "ocis_client_secret",
    "console_client_secret",
    "console_key",
    "ocis_password",
    "flower_password",
    "stripe_key",
    "stripe_endpoint",
    "stamp",
)


@dataclass(frozen=True)
class Layout:
    """One sandbox. The port of each part is `base + offset`."""

    base: int
    folder: Path

    def port(self, part: str) -> int:
        return self.base + OFFSETS[part]

    def url(self, part: str) -> str:
        return f"http://127.0.0.1:{self.port(part)}"

    def address(self, part: str) -> str:
        return f"127.0.0.1:{self.port(part)}"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def state_file(self) -> Path:
        return self.folder / "sandbox.json"

    def make_folders(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def secrets(self) -> dict[str, str]:
        """Return this folder's random secrets, generated at first use. Only the owner may read their file."""
        path = self.folder / "secrets.json"
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        missing = [name for name in SECRET_NAMES if name not in found]
        if missing:
            found |= {name: secrets.token_urlsafe(24) for name in missing}
            write_private(path, json.dumps(found))
        return found


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically, readable by its owner only."""
    draft = path.with_suffix(f".{os.getpid()}.new")
    draft.touch(0o600)
    draft.write_text(text)
    draft.replace(path)
