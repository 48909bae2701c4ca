"""The settings of all commands, from options, contexts or variables. Secrets come from variables or files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from platformctl.contexts import Context, Contexts, config_folder

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OUTPUTS = ("table", "wide", "json", "yaml", "name")
#: settings that a context has
OF_CONTEXT = ("api_url", "issuer", "client_id", "ca_certs", "client_secret_file")


@dataclass(frozen=True)
class Settings:
    """`token`: a bearer token that is used instead of a sign-in. `context`: the context that was applied."""

    api_url: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    ca_certs: Path | None = None
    client_secret_file: Path | None = None
    output: str = "table"
    context: str | None = None
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, context: click.Context) -> Settings:
        """Merge the sources in this order: options, the context named by --context, variables, the current context."""
        given: dict[str, tuple[Any, bool]] = context.ensure_object(dict)
        options = {name: value for name, (value, is_option) in given.items() if is_option}
        variables = {name: value for name, (value, is_option) in given.items() if not is_option}
        contexts = Contexts(config_folder())
        named = options.pop("context", None) or variables.pop("context", None)
        chosen = named or (None if "api_url" in options or "api_url" in variables else contexts.current)
        of_context = _fields(contexts.get(chosen)) if chosen else {}
        layers = [variables, of_context] if named else [of_context, variables]
        merged: dict[str, Any] = {}
        for layer in (*layers, options):
            merged |= layer
        return cls(**merged, context=chosen, token=os.environ.get("PLATFORM_TOKEN") or None)

    def client_secret(self) -> str | None:
        """Return the secret from the environment, else from the file. Raises click.UsageError if that is unreadable."""
        if os.environ.get("PLATFORM_CLIENT_SECRET"):
            return os.environ["PLATFORM_CLIENT_SECRET"]
        if self.client_secret_file is None:
            return None
        try:
            return self.client_secret_file.read_text().strip() or None
        except (OSError, UnicodeDecodeError):
            raise click.UsageError(f"{self.client_secret_file} (--client-secret-file) cannot be read.") from None


def setting_options(*, repeated: bool, hidden: bool) -> list[click.Parameter]:
    """Return the options before the command's name, or the same ones after it (`repeated`), which read no variables.

    `hidden`: whether help shows only --output.
    """
    return [
        click.Option(
            flags,
            type=kind,
            help=text,
            callback=_remember,
            expose_value=False,
            envvar=None if repeated else variable,
            show_envvar=not repeated and variable is not None,
            hidden=hidden and "--output" not in flags,
        )
        for flags, variable, kind, text in _ROWS
    ]


def _fields(context: Context) -> dict[str, Any]:
    found = {name: getattr(context, name) for name in OF_CONTEXT}
    paths = ("ca_certs", "client_secret_file")
    return {name: Path(value) if name in paths else value for name, value in found.items() if value is not None}


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store a value in the dictionary that a group and its commands share; a later option takes precedence."""
    if value is not None and parameter.name is not None:
        is_option = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        context.ensure_object(dict)[parameter.name] = (value, is_option)


class Url(click.ParamType[str]):
    """An http(s) URL without user, query or fragment. A trailing slash counts for issuers only."""

    name = "url"

    def __init__(self, normal: Callable[[str], str] = str) -> None:
        self._normal = normal

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or parts.query or parts.fragment or parts.username is not None:
            self.fail("is not an http or https URL of a host and, perhaps, a path", param, ctx)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            click.echo(f"Warning: {value} is not encrypted; anybody on the way can take the token.", err=True)
        return self._normal(value)


def _without_slash(url: str) -> str:
    return url.rstrip("/")


API_URL = Url(_without_slash)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: option, variable, type, help
_ROWS: tuple[tuple[list[str], str | None, click.ParamType[Any], str], ...] = (
    (["--context"], "PLATFORM_CONTEXT", click.STRING, "The platform that is meant; see: platformctl context."),
    (["--api-url"], "PLATFORM_API_URL", API_URL, "The platform's API."),
    (["--issuer"], "PLATFORM_ISSUER", Url(), "The OpenID Connect issuer that signs you in."),
    (["--client-id"], "PLATFORM_CLIENT_ID", click.STRING, "This program's client id at the issuer."),
    (["--client-secret-file"], "PLATFORM_CLIENT_SECRET_FILE", FILE, "File with the client's secret, if it has one."),
    (["--ca-certs"], "PLATFORM_CA_CERTS", FILE, "PEM file of authorities to trust beside the system's."),
    (["-o", "--output"], None, click.Choice(OUTPUTS), "Tables for people; JSON, YAML or names for scripts."),
)
