"""Sign-ins on disk: one file per API and issuer. Files that others can read are refused."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from client import NotSignedIn

OTHERS = 0o077


@dataclass(frozen=True)
class SignIn:
    """`expires_at`: when the access token expires, in seconds since the epoch. `grant`: how it was obtained."""

    api_url: str
    issuer: str
    client_id: str
    grant: str
    scope: str
    expires_at: float
    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)


class Store:
    """A folder of sign-ins. Raises NotSignedIn for files that others may read, that are damaged or cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[SignIn]:
        return [self._read(path) for path in sorted(self._folder.glob("*.json"))] if self._folder.is_dir() else []

    def find(self, api_url: str, issuer: str) -> SignIn | None:
        path = self._path(api_url, issuer)
        return self._read(path) if path.exists() else None

    def save(self, sign_in: SignIn) -> None:
        """Write the file atomically. Raises NotSignedIn."""
        with _explain_faults(self._folder):
            self._make_folder()
            self._write(sign_in)

    def _write(self, sign_in: SignIn) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder)  # made for its owner only
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(asdict(sign_in), file)
            os.replace(name, self._path(sign_in.api_url, sign_in.issuer))
        except BaseException:
            os.unlink(name)
            raise

    def remove(self, sign_in: SignIn) -> None:
        with _explain_faults(self._folder):
            self._path(sign_in.api_url, sign_in.issuer).unlink(missing_ok=True)

    @contextmanager
    def locked(self, sign_in: SignIn) -> Iterator[None]:
        """Lock a sign-in for one process: a refresh token works once, so concurrent renewals would end the sign-in."""
        with _explain_faults(self._folder):
            self._make_folder()
        lock = self._path(sign_in.api_url, sign_in.issuer).with_suffix(".lock")
        with FileLock(lock, mode=0o600):
            yield

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and self._folder.stat().st_mode & OTHERS:
            self._folder.chmod(0o700)

    def _path(self, api_url: str, issuer: str) -> Path:
        name = hashlib.sha256(f"{api_url}\n{issuer}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> SignIn:
        with _explain_faults(path), path.open() as file:
            _require_private(os.fstat(file.fileno()), path)
            try:
                return SignIn(**json.load(file))
            except (ValueError, TypeError):
                raise NotSignedIn(f"{path} is not a sign-in of this program.", "remove it, and sign in again") from None


@contextmanager
def _explain_faults(place: Path) -> Iterator[None]:
    """Convert an error of the file system to NotSignedIn with the path."""
    try:
        yield
    except OSError as problem:
        advice = "PLATFORM_CONFIG_DIR names another folder to keep sign-ins in"
        raise NotSignedIn(f"{place} cannot be used: {problem.strerror}.", advice) from None


def _require_private(status: os.stat_result, path: Path) -> None:
    """Refuse a file that others can read, because they may have the token, or that another user owns."""
    if os.name != "posix":
        return
    if status.st_mode & OTHERS or not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        advice = "remove it, sign in again, and end that session at the identity provider"
        raise NotSignedIn(f"{path} may be read or written by others, so it is not used.", advice)
