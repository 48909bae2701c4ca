"""Evidence of a run: the clients' log, the platform's records, the products' states, and effects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tools.chaos.checks.observations import Effects
from tools.chaos.load.request_log import LoggedRequest

Row = dict[str, Any]

#: kind of a request: action of its operation, where they differ
ACTIONS: Mapping[str, str] = {
    "create": "provision",
    "rename": "reconcile",
    "change domains": "reconcile",
    "dry run": "reconcile",
}
#: actions after whose success a tenant has all its objects
UP = ("provision", "reconcile", "resume", "restore")


@dataclass(frozen=True)
class DesiredState:
    """The desired state of a tenant by the last accepted request: `state` is active, suspended, deleted or purged."""

    name: str
    domains: tuple[str, ...]
    state: str
    has_owner: bool


@dataclass(frozen=True)
class Evidence:
    """`products`: state of each simulator; `requests`: those that each received; `broker`: its leftovers.

    `members`: slugs of tenants that have a member. `unexpected_exits`: exit codes by process,
    without those of processes that were killed, or stopped on request. `malformed_messages`: put into queues.
    """

    entries: Sequence[LoggedRequest]
    tenants: Sequence[Row]
    operations: Sequence[Row]
    events: Sequence[Row]
    products: Mapping[str, Row] = field(default_factory=dict)
    requests: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    broker: Sequence[str] = ()
    members: Collection[str] = ()
    server_errors: Sequence[str] = ()
    bugs: Sequence[str] = ()
    unexpected_exits: Mapping[str, Sequence[int]] = field(default_factory=dict)
    malformed_messages: int = 0
    effects: Effects = field(default_factory=Effects)

    def state_of(self, slug: str) -> str:
        """Return the state that a tenant should have."""
        return self.desired_states[slug].state

    @cached_property
    def by_id(self) -> dict[str, Row]:
        return {str(row["_id"]): row for row in self.operations}

    @cached_property
    def applied(self) -> dict[str, list[Row]]:
        """Return the operations by tenant id, without dry runs, in the order in which they were accepted."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.operations, key=lambda one: (one["createdAt"], one["generation"])):
            if row["mode"] == "apply":
                found[row["tenantId"]].append(row)
        return found

    @cached_property
    def of_request(self) -> dict[str, list[Row]]:
        """Return the events about tenants (`tenant.*`) by the id of the request that caused them."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.events:
            if row["action"].startswith("tenant."):
                found[row["requestId"]].append(row)
        return found

    @cached_property
    def tenant_by_slug(self) -> dict[str, Row]:
        return {row["slug"]: row for row in self.tenants}

    def operation_of(self, entry: LoggedRequest) -> Row | None:
        """Return the operation of a request: by its answer, or else by the request's events."""
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
    def accepted(self) -> list[LoggedRequest]:
        """Return all accepted requests for changes, in the order of generations."""
        carried = [
            (self.operation_of(one), one) for one in self.entries if one.answered != "refused" and one.kind != "dry run"
        ]
        found = sorted(((op["generation"], one) for op, one in carried if op is not None), key=lambda pair: pair[0])
        return [entry for _, entry in found]

    @cached_property
    def desired_states(self) -> dict[str, DesiredState]:
        """Sum up all accepted requests by slug."""
        found: dict[str, DesiredState] = {}
        for entry in self.accepted:
            desired = _after(found.get(entry.slug), entry)
            if desired is not None:
                found[entry.slug] = desired
        return found

    @cached_property
    def accepted_domains(self) -> dict[str, set[str]]:
        """Return by slug all domains that the tenant was ever given: one that left it is kept until the purge."""
        found: dict[str, set[str]] = defaultdict(set)
        for entry in self.accepted:
            found[entry.slug].update(entry.body.get("domains", ()))
        return found


def action_of(kind: str) -> str:
    return ACTIONS.get(kind, kind)


_STATES = {"suspend": "suspended", "resume": "active", "delete": "deleted", "restore": "active", "purge": "purged"}


def _after(known: DesiredState | None, entry: LoggedRequest) -> DesiredState | None:
    if entry.kind == "create":
        return DesiredState(entry.body["name"], tuple(entry.body["domains"]), "active", "owner" in entry.body)
    if known is None:
        return None
    name = entry.body.get("name", known.name)
    domains = tuple(entry.body.get("domains", known.domains))
    return DesiredState(name, domains, _STATES.get(entry.kind, known.state), known.has_owner)
