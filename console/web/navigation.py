"""Build the menu: only entries that the signed-in person may open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, abort, request

from client.errors import PlatformError
from console.auth.people import People
from console.auth.rights import Person

THEMES = ("light", "dark", "auto")


def everybody(person: Person) -> bool:
    return True


@dataclass(frozen=True)
class Entry:
    """An entry of the menu. `endpoint`: its page; `shown_to`: whether a person may open it.

    `others`: further blueprints whose pages belong to it.
    """

    word: str
    endpoint: str
    icon: str
    shown_to: Callable[[Person], bool] = everybody
    others: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Return whether the current page belongs to it."""
        return request.blueprint in (self.endpoint.split(".")[0], *self.others)


MENU = (
    Entry("Overview", "overview.show", "speedometer2"),
    Entry("Tenants", "tenants.index", "buildings", others=("tenant", "domains", "lifecycle", "reconcile")),
    Entry("Operations", "operations.index", "arrow-repeat", others=("bulk",)),
    Entry("Integrations", "integrations.index", "plug", lambda person: person.sees_platform),
    Entry("Users", "users.index", "people"),
    Entry("Partners", "partners.index", "diagram-3", lambda person: person.sees_platform),
    Entry("Webhooks", "webhooks.index", "broadcast", lambda person: person.is_staff or person.owns_any),
    Entry("Orphans", "orphans.index", "box-seam", lambda person: person.sees_platform),
    Entry("Events", "events.index", "clock-history"),
)


def add_navigation(app: Flask, people: People) -> None:
    """Give templates the person, menu and theme, and refuse pages that are not in the person's menu."""

    @app.before_request
    def refuse_hidden_pages() -> None:
        entry = next((one for one in MENU if one.is_current), None)
        person = people.current() if entry is not None else None
        if entry is not None and person is not None and not entry.shown_to(person):
            abort(403)

    @app.context_processor
    def navigation() -> dict[str, Any]:
        person = _person(people)
        menu = [entry for entry in MENU if person is not None and entry.shown_to(person)]
        return {"me": person, "menu": menu, "theme": theme()}


def theme() -> str:
    """Return the chosen theme: light, dark, or auto for the system's."""
    chosen = request.cookies.get("theme")
    return chosen if chosen in THEMES else "auto"


def _person(people: People) -> Person | None:
    """Return the person, None if the API cannot be asked: error pages must render all the same."""
    try:
        return people.current()
    except PlatformError:
        return None
