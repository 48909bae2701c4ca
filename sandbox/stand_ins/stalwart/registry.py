"""Stalwart's registry as it keeps it: typed objects, unique keys, references, ids. One call here is one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.stand_ins.stalwart.kinds import (
    KINDS,
    REFERENCES,
    Object,
    SetError,
    checked,
    copy,
    patched,
    validate,
)

ALPHABET = "abcdefghijklmnopqrstuvwxyz792013"


@dataclass
class Registry:
    """All objects by kind and id."""

    objects: dict[str, dict[str, Object]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    default_domain: str | None = None
    #: called with (kind, object) after each create
    on_create: Callable[[str, Object], None] = lambda kind, created: None
    _counters: dict[str, itertools.count[int]] = field(
        default_factory=lambda: {kind: itertools.count(1) for kind in KINDS}
    )
    _snowflakes: itertools.count[int] = field(default_factory=lambda: itertools.count(10**15, 7919))
    _domain_names: dict[str, str] = field(default_factory=dict)
    _addresses: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def create(self, kind: str, given: Object) -> Object:
        """Store a new object. Raises SetError."""
        table = KINDS[kind]
        stored = {**{key: copy(value) for key, value in table.defaults.items()}, **checked(kind, table, given)}
        validate(kind, table, stored)
        self._check_unique(kind, stored, None)
        self._check_references(kind, stored)
        number = next(self._snowflakes if table.snowflake else self._counters[kind])
        stored |= {"id": encode_id(number), "createdAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        if kind in ("Account", "MailingList"):
            stored["emailAddress"] = f"{stored['name']}@{self.objects['Domain'][stored['domainId']]['name']}"
        self.objects[kind][stored["id"]] = stored
        self._index(kind, stored)
        self.on_create(kind, stored)
        return stored

    def update(self, kind: str, id_: str, patch: Object) -> None:
        """Apply a patch of JSON pointers. Raises SetError."""
        current = self.objects[kind].get(id_)
        if current is None:
            raise SetError("notFound")
        changed = patched(kind, current, patch)
        validate(kind, KINDS[kind], changed)
        self._check_unique(kind, changed, id_)
        self._check_references(kind, changed)
        self._unindex(kind, current)
        current.clear()
        current.update(changed)
        self._index(kind, current)

    def destroy(self, kind: str, id_: str) -> None:
        """Raises SetError: notFound the second time, objectIsLinked while anything points at it."""
        if id_ not in self.objects[kind]:
            raise SetError("notFound")
        links = self._links(kind, id_)
        if links:
            raise SetError("objectIsLinked", objectId={"object": kind, "id": id_}, linkedObjects=links)
        self._unindex(kind, self.objects[kind][id_])
        del self.objects[kind][id_]

    def query(self, kind: str, conditions: Object) -> list[str]:
        """Ids, newest first, of objects that satisfy all conditions."""
        if kind == "Domain" and set(conditions) == {"name"}:
            found = self._domain_names.get(conditions["name"])
            holder = self.objects["Domain"].get(found) if found else None
            return [found] if found and holder and holder["name"] == conditions["name"] else []
        found_ids = [id_ for id_, one in self.objects[kind].items() if _matches(one, conditions)]
        return list(reversed(found_ids))

    def _check_unique(self, kind: str, stored: Object, own_id: str | None) -> None:
        if kind == "Domain":
            for name, prop in [(stored["name"], "name"), *((alias, "aliases") for alias in stored["aliases"])]:
                holder = self._domain_names.get(name)
                if holder not in (None, own_id):
                    raise _violation(prop, "Domain", str(holder))
        if kind in ("Account", "MailingList"):
            for address in _addresses(stored):
                held = self._addresses.get(address)
                if held is not None and held != (kind, own_id):
                    raise _violation("email", *held)

    def _check_references(self, kind: str, stored: Object) -> None:
        tenant = stored.get("memberTenantId")
        for prop, target in REFERENCES.get(kind, ()):
            id_ = stored.get(prop)
            if id_ is None:
                continue
            held = self.objects[target].get(id_)
            foreign = held is not None and target != "Tenant" and tenant and held.get("memberTenantId") != tenant
            if held is None or foreign:
                raise SetError("invalidForeignKey", objectId={"object": target, "id": id_})

    def _links(self, kind: str, id_: str) -> list[Object]:
        links = [
            {"object": holder, "id": one["id"]}
            for holder, references in REFERENCES.items()
            for one in self.objects[holder].values()
            if any(target == kind and one.get(prop) == id_ for prop, target in references)
        ]
        if kind == "Domain" and id_ == self.default_domain:
            links.append({"object": "SystemSettings", "id": "singleton"})
        return links

    def _index(self, kind: str, one: Object) -> None:
        if kind == "Domain":
            for name in (one["name"], *one["aliases"]):
                self._domain_names[name] = one["id"]
        if kind in ("Account", "MailingList"):
            for address in _addresses(one):
                self._addresses[address] = (kind, one["id"])

    def _unindex(self, kind: str, one: Object) -> None:
        if kind == "Domain":
            for name in (one["name"], *one["aliases"]):
                self._domain_names.pop(name, None)
        if kind in ("Account", "MailingList"):
            for address in _addresses(one):
                self._addresses.pop(address, None)


def encode_id(number: int) -> str:
    """A number in base 32 with the product's alphabet, no padding."""
    text = ""
    while True:
        number, digit = divmod(number, 32)
        text = ALPHABET[digit] + text
        if number == 0:
            return text


def parses(id_: Any) -> bool:
    """Whether the server takes this for an id at all; what does not parse is dropped without a word."""
    return isinstance(id_, str) and all(char.lower() in ALPHABET for char in id_)


def _violation(prop: str, kind: str, id_: str) -> SetError:
    return SetError("primaryKeyViolation", properties=[prop], objectId={"object": kind, "id": id_})


def _addresses(one: Object) -> list[tuple[str, str]]:
    aliases = [(alias["name"], alias.get("domainId", one["domainId"])) for alias in one["aliases"].values()]
    return [(one["name"], one["domainId"]), *aliases]


def _matches(one: Object, conditions: Object) -> bool:
    for prop, value in conditions.items():
        if prop == "text":
            words = "".join(c if c.isalnum() else " " for c in str(value).lower()).split()
            held = f"{one.get('name')} {one.get('description')}".lower()
            if not all(word in held for word in words if len(word) > 1):
                return False
        elif prop == "status":
            if one["status"].get("@type") != value:
                return False
        elif one.get(prop) != value:
            return False
    return True
