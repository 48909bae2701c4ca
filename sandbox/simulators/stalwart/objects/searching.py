"""Match objects to queries: equality on indexed properties, and Stalwart's text search, which finds too many."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.simulators.stalwart.objects.names import words
from sandbox.simulators.stalwart.objects.properties import Object

#: properties whose words the text search indexes
TEXTS = ("name", "description", "clientId")
#: a word that no object has
NOTHING = "\0"


def surviving_words(held: Iterable[Object], text: str) -> list[str]:
    """Return the words that a search uses: as in Stalwart, leading words that no object has are skipped."""
    asked, known = words(text), {word for one in held for word in words_of(one)}
    while asked and asked[0] not in known:
        asked.pop(0)
    return asked or [NOTHING]


def words_of(one: Object) -> set[str]:
    return {word for name in TEXTS for word in words(str(one.get(name) or ""))}


def matches(one: Object, conditions: Object) -> bool:
    """Return whether an object satisfies all conditions; `text` is a list of words here."""
    for prop, value in conditions.items():
        held = one.get(prop)
        if prop == "text":
            fits = set(value) <= words_of(one)
        elif prop == "status":
            fits = one["status"].get("@type") == value
        elif isinstance(held, dict):
            fits = value in held
        else:
            fits = held == value
        if not fits:
            return False
    return True
