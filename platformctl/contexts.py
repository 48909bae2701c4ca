"""Contexts: named sets of settings, each with the API, issuer and application of one platform."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import yaml
from platformdirs import user_config_path


@dataclass(frozen=True)
class Context:
    """The settings of one platform. It contains no secret: tokens are stored with the sign-ins."""

    name: str
    api_url: str
    issuer: str | None = None
    client_id: str | None = None
    ca_certs: str | None = None
    client_secret_file: str | None = None


class Contexts:
    """The file `contexts.yaml`: all contexts and the name of the current one. Raises click.UsageError if damaged."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "contexts.yaml"
        self._known: dict[str, Context] = {}
        self.current: str | None = None
        self._read()

    def all(self) -> list[Context]:
        return sorted(self._known.values(), key=lambda context: context.name)

    def get(self, name: str) -> Context:
        if name not in self._known:
            known = ", ".join(sorted(self._known)) or "none; add one with: platformctl context add"
            raise click.UsageError(f"There is no context {name}. There are: {known}.")
        return self._known[name]

    def use(self, name: str) -> None:
        self.get(name)
        self.current = name
        self._write()

    def add(self, context: Context) -> None:
        """Add or replace a context; the first one becomes the current one."""
        self._known[context.name] = context
        self.current = self.current or context.name
        self._write()

    def remove(self, name: str) -> None:
        self.get(name)
        del self._known[name]
        self.current = None if self.current == name else self.current
        self._write()

    def _read(self) -> None:
        try:
            found = yaml.safe_load(self._path.read_text(encoding="utf-8")) or {}
            self._known = {str(name): Context(str(name), **fields) for name, fields in found["contexts"].items()}
            self.current = found.get("current")
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as problem:
            raise click.UsageError(f"{self._path} cannot be read: {problem.strerror}.") from None
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
            raise click.UsageError(f"{self._path} is damaged: correct or remove it.") from None

    def _write(self) -> None:
        """Replace the file atomically."""
        fields = {one.name: {k: v for k, v in asdict(one).items() if v and k != "name"} for one in self.all()}
        text = yaml.safe_dump({"current": self.current, "contexts": fields}, sort_keys=False)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, self._path)
        except OSError as problem:
            raise click.UsageError(f"{self._path} cannot be written: {problem.strerror}.") from None


def config_folder() -> Path:
    """Return the folder of contexts and sign-ins."""
    return Path(os.environ.get("PLATFORM_CONFIG_DIR") or user_config_path("platformctl"))
