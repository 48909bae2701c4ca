"""All that is looked at when a storm is over: the clients' book, the platform's records, and what the products hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tools.chaos.journal import Entry

Row = dict[str, Any]

#: move: the action its operation carries out
ACTIONS: Mapping[str, str] = {
    "create": "provision",
    "rename": "reconcile",
    "change domains": "reconcile",
    "plan": "reconcile",
}
#: what opens or sets up; after a success of one of these a tenant has all its objects
UP = ("provision", "reconcile", "resume", "restore")


@dataclass(frozen=True)
class Wished:
    """How a tenant was last accepted to be: `life` is alive, suspended, deleted or purged."""

    name: str
    domains: tuple[str, ...]
    life: str
    has_owner: bool


@dataclass(frozen=True)
class Evidence:
    """`products`: state of each simulator; `requests`: what each was sent; `broker`: what is left in it.

    `unasked`: process to the exit codes with which it ended though nobody had killed it, orderly stops aside.
    """

    entries: Sequence[Entry]
    tenants: Sequence[Row]
    operations: Sequence[Row]
    events: Sequence[Row]
    products: Mapping[str, Row] = field(default_factory=dict)
    requests: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    broker: Sequence[str] = ()
    shocks: Sequence[str] = ()
    bugs: Sequence[str] = ()
    unasked: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        return {str(row["_id"]): row for row in self.operations}

    @cached_property
    def applied(self) -> dict[str, list[Row]]:
        """Tenant id to its operations that are no plans, in the order in which they were accepted."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.operations, key=lambda one: (one["createdAt"], one["generation"])):
            if row["mode"] == "apply":
                found[row["tenantId"]].append(row)
        return found

    @cached_property
    def of_request(self) -> dict[str, list[Row]]:
        """Request id to the events of changes that it brought about: `tenant.` anything."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.events:
            if row["action"].startswith("tenant."):
                found[row["requestId"]].append(row)
        return found

    @cached_property
    def tenant_by_slug(self) -> dict[str, Row]:
        return {row["slug"]: row for row in self.tenants}

    def operation_of(self, entry: Entry) -> Row | None:
        """The operation that carries an entry out: by its answer, or else by the events of its request."""
        if entry.operation is not None:
            return self.by_id.get(entry.operation)
        for event in self.of_request.get(entry.request_id, ()):
            operation_id = (event.get("after") or {}).get("operation")
            if operation_id is not None:
                return self.by_id.get(operation_id)
            return next(iter(self.applied.get(event["tenantId"], ())), None)
        return None

    def was_set_up(self, tenant: Row) -> bool:
        own = self.applied.get(str(tenant["_id"]), ())
        return any(row["action"] in UP and row["status"] == "succeeded" for row in own)

    @cached_property
    def wishes(self) -> dict[str, Wished]:
        """Slug to the sum of all that was accepted, in the order of generations."""
        carried = [
            (self.operation_of(one), one) for one in self.entries if one.answered != "refused" and one.move != "plan"
        ]
        accepted = sorted(((op["generation"], one) for op, one in carried if op is not None), key=lambda pair: pair[0])
        found: dict[str, Wished] = {}
        for _, entry in accepted:
            wished = _after(found.get(entry.slug), entry)
            if wished is not None:
                found[entry.slug] = wished
        return found


def action_of(move: str) -> str:
    return ACTIONS.get(move, move)


_LIFE = {"suspend": "suspended", "resume": "alive", "delete": "deleted", "restore": "alive", "purge": "purged"}


def _after(known: Wished | None, entry: Entry) -> Wished | None:
    if entry.move == "create":
        return Wished(entry.body["name"], tuple(entry.body["domains"]), "alive", "owner" in entry.body)
    if known is None:
        return None
    name = entry.body.get("name", known.name)
    domains = tuple(entry.body.get("domains", known.domains))
    return Wished(name, domains, _LIFE.get(entry.move, known.life), known.has_owner)
