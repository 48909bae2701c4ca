"""The console's settings, read once from the environment. A missing or malformed one stops the start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AnyHttpUrl, Field, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MIN_KEY_LENGTH = 32
_URL: TypeAdapter[AnyHttpUrl] = TypeAdapter(AnyHttpUrl)
_FILE = "_FILE"


class SettingsError(Exception):
    """The environment is invalid; the message names each variable and says what to do."""


class ConsoleSettings(BaseSettings):
    """One field per environment variable: its name in capitals after `CONSOLE_`."""

    model_config = SettingsConfigDict(
        env_prefix="CONSOLE_", env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    url: str = Field(description="address at which people open the console, without a path: https, or http on loopback")
    api_url: str = Field(description="address of the API")
    issuer: str = Field(description="OpenID Connect issuer that signs people in; compared exactly")
    client_id: str = Field("dezky-console", description="the console's client id at the issuer")
    client_secret: SecretStr = Field(description="the console's client secret at the issuer")
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        min_length=1,
        description="secret keys of cookies and stored tokens, comma-separated; the first signs, all are accepted",
    )
    redis_url: SecretStr = Field(description="Redis database of the sign-ins; not the broker's")
    ca_certs: Path | None = Field(None, description="PEM file of certificate authorities to trust besides the system's")
    session_hours: float = Field(12, gt=0, le=168, description="longest time that a sign-in lasts")
    idle_hours: float = Field(4, gt=0, le=168, description="longest time that a sign-in may stay unused")
    sign_in_limit: str = Field(
        "30 per minute", description="sign-in requests of one address, in flask-limiter's notation"
    )
    trusted_proxies: int = Field(0, ge=0, le=5, description="proxies in front whose X-Forwarded headers count")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people")

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _list(cls, given: Any) -> Any:
        return tuple(key.strip() for key in given.split(",") if key.strip()) if isinstance(given, str) else given

    @field_validator("secret_keys")
    @classmethod
    def _long_enough(cls, given: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(given[0].get_secret_value()) < MIN_KEY_LENGTH:
            raise ValueError(
                f"the first must have at least {MIN_KEY_LENGTH} characters; `openssl rand -hex 32` makes one"
            )
        return given

    @field_validator("url", "api_url", "issuer")
    @classmethod
    def _address(cls, given: str) -> str:
        _URL.validate_python(given)
        parts = urlsplit(given)
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("must be a plain address, without user, query or fragment")
        return given

    @field_validator("url", "issuer")
    @classmethod
    def _encrypted(cls, given: str) -> str:
        if not given.startswith("https://") and urlsplit(given).hostname not in LOOPBACK:
            raise ValueError("must begin with https://; plain http is for this machine's own addresses")
        return given

    @field_validator("url", "api_url")
    @classmethod
    def _without_slash(cls, given: str) -> str:
        return given.rstrip("/")

    @field_validator("url")
    @classmethod
    def _at_the_root(cls, given: str) -> str:
        if urlsplit(given).path:
            raise ValueError("must have no path: give the console a host name of its own")
        return given

    @model_validator(mode="after")
    def _own_database(self) -> ConsoleSettings:
        broker = os.environ.get("REDIS_URL", "")
        if broker and _database(urlsplit(broker)) == _database(urlsplit(self.redis_url.get_secret_value())):
            raise ValueError("CONSOLE_REDIS_URL names the broker's database (REDIS_URL): give it another number")
        return self

    @property
    def is_secure(self) -> bool:
        """Return whether the console is served over https."""
        return self.url.startswith("https://")


def _database(url: SplitResult) -> tuple[str | None, int, str]:
    return (url.hostname, url.port or 6379, url.path.strip("/") or "0")


def read_settings(**given: Any) -> ConsoleSettings:
    """Read the environment; a secret may stand in a file named by `<VARIABLE>_FILE`. Raises SettingsError."""
    try:
        return ConsoleSettings(**{**_from_files(), **given})
    except ValidationError as problem:
        lines = [f"{_variable(fault['loc'])}: {fault['msg']}" for fault in problem.errors()]
        raise SettingsError("\n".join(lines)) from None


def _from_files() -> dict[str, str]:
    found = {}
    for name in ("client_secret", "secret_keys", "redis_url"):
        path = os.environ.get(f"CONSOLE_{name}{_FILE}".upper())
        if path:
            try:
                found[name] = Path(path).read_text().strip()
            except OSError as problem:
                raise SettingsError(f"CONSOLE_{name.upper()}{_FILE}: {problem.strerror}: {path}") from None
    return found


def _variable(location: tuple[int | str, ...]) -> str:
    return f"CONSOLE_{str(location[0]).upper()}" if location else "The console's settings"
