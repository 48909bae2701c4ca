"""What every command needs to know, by option or environment variable. Secrets come by environment or file only."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Settings:
    """`token`: a ready bearer token, which is then used instead of a sign-in."""

    api_url: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    ca_certs: Path | None = None
    client_secret_file: Path | None = None
    output: str = "table"
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, context: click.Context) -> Settings:
        return cls(**context.ensure_object(dict), token=os.environ.get("PLATFORM_TOKEN") or None)

    def client_secret(self) -> str | None:
        """From the environment, else from the file. Raises click.UsageError when that cannot be read."""
        if os.environ.get("PLATFORM_CLIENT_SECRET"):
            return os.environ["PLATFORM_CLIENT_SECRET"]
        if self.client_secret_file is None:
            return None
        try:
            return self.client_secret_file.read_text().strip() or None
        except (OSError, UnicodeDecodeError):
            raise click.UsageError(f"{self.client_secret_file} (--client-secret-file) cannot be read.") from None


def setting_options(*, hidden: bool) -> list[click.Parameter]:
    """The options as they stand before the command's name, or `hidden` after it, where they are taken just as well."""
    return [
        click.Option(
            flags,
            type=kind,
            help=text,
            callback=_remember,
            expose_value=False,
            envvar=None if hidden else variable,
            show_envvar=not hidden and variable is not None,
            hidden=hidden and "--output" not in flags,
        )
        for flags, variable, kind, text in _ROWS
    ]


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Into the one dictionary that a group and its commands share; what stands nearer to the command wins."""
    if value is not None:
        context.ensure_object(dict)[parameter.name] = value


class Url(click.ParamType[str]):
    """An http(s) URL without user, query or fragment. A trailing slash counts for issuers only."""

    name = "url"

    def __init__(self, normal: Callable[[str], str] = str) -> None:
        self._normal = normal

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or parts.query or parts.fragment or parts.username is not None:
            self.fail("is not an http or https URL of a host and, perhaps, a path", param, ctx)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            click.echo(f"Warning: {value} is not encrypted; anybody on the way can take the token.", err=True)
        return self._normal(value)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: option, variable, type, help
_ROWS: tuple[tuple[list[str], str | None, click.ParamType[Any], str], ...] = (
    (["--api-url"], "PLATFORM_API_URL", Url(lambda url: url.rstrip("/")), "The platform's API."),
    (["--issuer"], "PLATFORM_ISSUER", Url(), "The OpenID Connect issuer that signs you in."),
    (["--client-id"], "PLATFORM_CLIENT_ID", click.STRING, "This program's client id at the issuer."),
    (["--client-secret-file"], "PLATFORM_CLIENT_SECRET_FILE", _FILE, "File with the client's secret, if it has one."),
    (["--ca-certs"], "PLATFORM_CA_CERTS", _FILE, "PEM file of authorities to trust beside the system's."),
    (["-o", "--output"], None, click.Choice(["table", "json"]), "Tables for people, JSON for scripts."),
)
