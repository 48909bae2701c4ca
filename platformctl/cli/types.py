"""Parameter types: names that become parts of a URL, header texts, files, selectors; with completion."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from client import Platform
from platformctl.names import ID
from platformctl.session import Session
from platformctl.settings import Settings

#: limit of names that shell completion reads from the API, because the person waits for them
MAX_COMPLETIONS = 50


class Name(click.ParamType[str]):
    """A slug, an id or an e-mail address that becomes one segment of a URL's path and must not change the path.

    `known`: reads the names with a prefix, for completion.
    """

    name = "text"

    pattern = r"[A-Za-z0-9][A-Za-z0-9_.+@'-]*"

    def __init__(self, known: Callable[[Platform, str], Iterable[str]] | None = None, kind: str = "a slug or an id"):
        self._known = known
        self._kind = kind

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(self.pattern, value):
            self.fail(f"{value!r} is not {self._kind}", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self._known is None:
            return []
        try:
            platform = Session(Settings.of(ctx)).connect(retries=0)
            found = [name for name in self._known(platform, incomplete) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - a shell shows nothing rather than a failure
            return []
        return [CompletionItem(name) for name in found]


class Id(Name):
    """The id of a record that has no other name."""

    pattern = ID.pattern

    def __init__(self, known: Callable[[Platform, str], Iterable[str]] | None, noun: str) -> None:
        super().__init__(known, f"the id of {noun}: 24 hexadecimal digits")


def _slugs(platform: Platform, prefix: str) -> list[str]:
    return [one["slug"] for one in platform.tenants.page(MAX_COMPLETIONS, q=prefix or None).items]


def _operations(platform: Platform, prefix: str) -> list[str]:
    return [one["id"] for one in platform.operations.page(MAX_COMPLETIONS).items]


def _users(platform: Platform, prefix: str) -> list[str]:
    return [one["email"] for one in platform.users.page(MAX_COMPLETIONS, q=prefix or None).items]


def _partners(platform: Platform, prefix: str) -> list[str]:
    return [one["slug"] for one in platform.partners.page(MAX_COMPLETIONS).items]


def _webhooks(platform: Platform, prefix: str) -> list[str]:
    return [one["_id"] for one in platform.webhooks.page(MAX_COMPLETIONS).items]


def _orphans(platform: Platform, prefix: str) -> list[str]:
    return [one["_id"] for one in platform.orphans.page(MAX_COMPLETIONS).items]


def _integrations(platform: Platform, prefix: str) -> list[str]:
    return [one["name"] for one in platform.integrations.list()]


SLUG = Name(_slugs, "a tenant's slug")
OPERATION = Id(_operations, "an operation")
USER = Name(_users, "a user's e-mail address or id")
PARTNER = Name(_partners, "a partner's slug or id")
WEBHOOK = Id(_webhooks, "a webhook")
ORPHAN = Id(_orphans, "an orphan")
BULK_OPERATION = Id(None, "a bulk operation")
DELIVERY = Id(None, "a delivery")
INTEGRATION = Name(_integrations, "an integration's name")
WORD = Name()


class Sentence(click.ParamType[str]):
    """Text that is not blank."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.strip():
            self.fail("is blank", param, ctx)
        return value


class HeaderText(click.ParamType[str]):
    """Text that is valid in a header: printable ASCII without surrounding blanks."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[!-~]([ -~]*[!-~])?", value):
            self.fail(f"{value!r} may hold only printable ASCII characters, without blanks around it", param, ctx)
        return value


class Domain(click.ParamType[str]):
    """A domain name, in letters or A-labels."""

    name = "domain"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)+\.?", value):
            self.fail(f"{value!r} is not a domain name", param, ctx)
        return value.removesuffix(".")


class JsonFile(click.ParamType[Any]):
    """A file with JSON, an object unless `any_value`; `-` is standard input."""

    name = "file"

    def __init__(self, *, any_value: bool = False) -> None:
        self._any = any_value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            parsed = json.loads(sys.stdin.read() if value == "-" else Path(value).read_text(encoding="utf-8"))
        except OSError as problem:
            self.fail(f"{value} cannot be read: {problem.strerror}", param, ctx)
        except ValueError:
            self.fail(f"{value} does not hold JSON", param, ctx)
        if not self._any and not isinstance(parsed, dict):
            self.fail(f"{value} does not hold a JSON object", param, ctx)
        return parsed


class Pairs(click.ParamType[dict[str, str]]):
    """`name=value`, or several with commas between them."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        found = {}
        for part in filter(None, value.split(",")):
            name, equals, text = part.partition("=")
            if not equals or not name.strip():
                self.fail(f"{part!r} is not of the form name=value", param, ctx)
            if name.strip() in found:
                self.fail(f"{name.strip()!r} is given more than once", param, ctx)
            found[name.strip()] = text.strip()
        return found
