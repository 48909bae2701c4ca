"""Keep Stalwart's unique keys: domain names with aliases, addresses over all types, OAuth client ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.simulators.stalwart.objects.names import violation
from sandbox.simulators.stalwart.objects.properties import Object

Key = tuple[str, ...]


@dataclass
class UniqueKeys:
    """Keys with their holders."""

    held: dict[Key, tuple[str, str]] = field(default_factory=dict)

    def holder(self, *key: str) -> str | None:
        """Return the id of the object with a key."""
        found = self.held.get(key)
        return found[1] if found else None

    def check(self, kind: str, one: Object) -> None:
        """Require that no other object has a key of this one. Raises SetError with the id of the other object."""
        for prop, key in _keys(kind, one):
            held = self.held.get(key)
            if held is not None and held != (kind, one.get("id")):
                raise violation(prop, *held)

    def take(self, kind: str, one: Object) -> None:
        for _, key in _keys(kind, one):
            self.held[key] = (kind, one["id"])

    def release(self, kind: str, one: Object) -> None:
        for _, key in _keys(kind, one):
            self.held.pop(key, None)


def _keys(kind: str, one: Object) -> Iterator[tuple[str, Key]]:
    """Yield (property for the error, key) for all keys of an object."""
    if kind == "Domain":
        yield "name", ("domain", one["name"])
        yield from (("aliases", ("domain", alias)) for alias in one["aliases"])
    if kind in ("Account", "MailingList"):
        yield "email", ("address", one["name"], one["domainId"])
        for alias in one["aliases"].values():
            yield "email", ("address", alias["name"], alias.get("domainId", one["domainId"]))
    if kind == "OAuthClient":
        yield "clientId", ("client", one["clientId"])
