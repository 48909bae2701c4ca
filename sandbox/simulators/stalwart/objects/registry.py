"""Store Stalwart's typed objects with ids, unique keys and references. One call is one transaction."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.simulators.stalwart.objects.content import masked, tidy
from sandbox.simulators.stalwart.objects.kinds import KINDS, SINGLETON
from sandbox.simulators.stalwart.objects.names import encode_id
from sandbox.simulators.stalwart.objects.patching import built, patched
from sandbox.simulators.stalwart.objects.properties import Object, SetError
from sandbox.simulators.stalwart.objects.references import check_references, links_to
from sandbox.simulators.stalwart.objects.searching import matches, surviving_words
from sandbox.simulators.stalwart.objects.unique_keys import UniqueKeys

#: called with (kind, object)
Hook = Callable[..., None]


@dataclass
class Registry:
    """All objects by kind and id. `chance` chooses between two refusals when both apply.

    `edition`: `oss` is built without the enterprise features, `community` with them, `enterprise` is licensed too.
    """

    objects: dict[str, dict[str, Object]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    #: rules that depend on more than the object: called with (kind, object) before each write; may raise SetError
    rules: list[Hook] = field(default_factory=list)
    #: called with (kind, object) after each create
    on_create: Hook = lambda kind, created: None
    edition: str = "oss"
    _counters: dict[str, itertools.count[int]] = field(
        default_factory=lambda: {kind: itertools.count(1) for kind in KINDS}
    )
    _snowflakes: itertools.count[int] = field(default_factory=lambda: itertools.count(10**15, 7919))
    _keys: UniqueKeys = field(default_factory=UniqueKeys)

    def __post_init__(self) -> None:
        for kind, rules in KINDS.items():
            if rules.singleton:
                self.objects[kind][SINGLETON] = {"id": SINGLETON, **built(kind, {})}

    def create(self, kind: str, given: Object) -> Object:
        """Store a new object. Raises SetError."""
        self._refuse_singleton(kind)
        stored = built(kind, given)
        tidy(kind, stored, None)
        self._check(kind, stored)
        number = next(self._snowflakes if KINDS[kind].snowflake else self._counters[kind])
        stored["id"] = encode_id(number)
        if "createdAt" in stored:
            stored["createdAt"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.objects[kind][stored["id"]] = stored
        self._keys.take(kind, stored)
        self.on_create(kind, stored)
        return stored

    def update(self, kind: str, id_: str, patch: Object) -> None:
        """Apply a patch of JSON pointers. Raises SetError."""
        current = self.objects[kind].get(id_)
        if current is None:
            raise SetError("notFound")
        changed = patched(kind, current, patch)
        tidy(kind, changed, current)
        self._check(kind, changed)
        self._keys.release(kind, current)
        current.clear()
        current.update(changed)
        self._keys.take(kind, current)

    def destroy(self, kind: str, id_: str) -> None:
        """Delete an object. Raises SetError: notFound for a missing one, objectIsLinked while others refer to it."""
        self._refuse_singleton(kind)
        if id_ not in self.objects[kind]:
            raise SetError("notFound")
        links = links_to(self.objects, kind, id_)
        if links:
            raise SetError("objectIsLinked", objectId={"object": kind, "id": id_}, linkedObjects=links)
        self._keys.release(kind, self.objects[kind].pop(id_))

    def query(self, kind: str, conditions: Object) -> list[str]:
        """Return the ids of objects that satisfy all conditions, oldest first."""
        held = self.objects[kind]
        if kind == "Domain" and set(conditions) == {"name"}:
            found = self._keys.holder("domain", conditions["name"])
            return [found] if found and held[found]["name"] == conditions["name"] else []
        if "text" in conditions:
            conditions = {**conditions, "text": surviving_words(held.values(), str(conditions["text"]))}
        return [id_ for id_, one in held.items() if matches(one, conditions)]

    def account_at(self, address: str, default_domain: str | None) -> Object | None:
        """Return the account of exactly this address; a bare name belongs to the default domain."""
        name, _, domain = address.partition("@")
        domain_id = self._keys.holder("domain", domain) if domain else default_domain
        found = self._keys.holder("address", name, str(domain_id))
        account = self.objects["Account"].get(str(found))
        return account if account is not None and account["name"] == name else None

    def holder(self, *key: str) -> str | None:
        """Return the id of the object with a unique key."""
        return self._keys.holder(*key)

    def holder_of_address(self, name: str, domain_id: str) -> tuple[str, Object] | None:
        """Return (kind, object) of the account or list with this address, also as an enabled alias."""
        found = self._keys.held.get(("address", name, domain_id))
        one = self.objects[found[0]].get(found[1]) if found else None
        if found is None or one is None:
            return None
        own = {"name": one["name"], "domainId": one["domainId"], "enabled": True}
        for address in (own, *one["aliases"].values()):
            if (address["name"], address["domainId"]) == (name, domain_id) and address["enabled"]:
                return found[0], one
        return None

    def shown(self, kind: str, one: Object) -> Object:
        """Return an object with the properties that are computed on read, and without secrets."""
        if "emailAddress" not in one:
            return masked(one)
        domain = self.objects["Domain"].get(one["domainId"], {})
        return masked(one) | {"emailAddress": f"{one['name']}@{domain.get('name')}"}

    def containers(self) -> tuple[dict[Any, Any], ...]:
        """Return the containers that a transaction may change."""
        return (self.objects, self._keys.held)

    def singleton(self, kind: str) -> Object:
        return self.objects[kind][SINGLETON]

    def _check(self, kind: str, stored: Object) -> None:
        checks: list[Callable[[], Any]] = [
            lambda: self._keys.check(kind, stored),
            lambda: check_references(self.objects, kind, stored),
        ]
        if self.chance.random() < 0.5:
            checks.reverse()
        for check in checks:
            check()
        for rule in self.rules:
            rule(kind, stored)

    @staticmethod
    def _refuse_singleton(kind: str) -> None:
        if KINDS[kind].singleton:
            raise SetError("singleton")
