"""Run JMAP calls in order: the methods get and query; `setting` has the method set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.simulators.stalwart.callers import Caller
from sandbox.simulators.stalwart.calls import MethodError, plain_ids, with_results
from sandbox.simulators.stalwart.objects.kinds import KINDS
from sandbox.simulators.stalwart.objects.names import decode_id, parses
from sandbox.simulators.stalwart.objects.properties import Object
from sandbox.simulators.stalwart.objects.registry import Registry
from sandbox.simulators.stalwart.scope import Scope
from sandbox.simulators.stalwart.setting import MAX_OBJECTS, UNAVAILABLE, Inject, Setting

#: ids in one response, unless the server is configured otherwise
MAX_FOUND = 5000


class Jmap:
    """`zone` writes a domain's zone text; `run_tasks` runs the pending background tasks."""

    def __init__(
        self, registry: Registry, zone: Callable[[Object], str], inject: Inject, run_tasks: Callable[[], Any]
    ) -> None:
        self._registry = registry
        self._zone = zone
        self._inject = inject
        self._run_tasks = run_tasks
        self.max_found = MAX_FOUND

    def response(self, calls: list[list[Any]], caller: Caller, created: dict[str, str]) -> list[list[Any]]:
        """Return the method responses in order. New ids are added to `created`."""
        responses: list[list[Any]] = []
        scope = Scope(self._registry, caller)
        for name, arguments, call_id in calls:
            try:
                resolved = with_results(arguments, responses)
                response = {"accountId": caller.account, **self._call(name, resolved, created, scope)}
                responses.append([name, response, call_id])
            except MethodError as error:
                responses.append(["error", error.body, call_id])
        return responses

    def _call(self, name: str, arguments: Object, created: dict[str, str], scope: Scope) -> Object:
        prefix, _, method = name.partition("/")
        kind = prefix.removeprefix("x:")
        if not prefix.startswith("x:") or kind not in KINDS or method not in KINDS[kind].methods:
            raise MethodError("unknownMethod", name)
        _require_own(arguments.get("accountId"), scope.caller)
        if self._inject("server_unavailable", name):
            raise MethodError("serverUnavailable", UNAVAILABLE)
        if method == "set":
            return Setting(scope, kind, created, self._inject, self._run_tasks).response(name, arguments)
        if not scope.may(kind, method.capitalize()):
            raise MethodError("forbidden", "You do not have enough permissions to perform this action.")
        if method == "get":
            return self._get(kind, arguments, created, scope)
        return self._query(name, kind, arguments, scope)

    def _get(self, kind: str, arguments: Object, created: dict[str, str], scope: Scope) -> Object:
        # an action ends when it is created, so none can be read
        held = {} if kind == "Action" else self._registry.objects[kind]
        ids = arguments.get("ids")
        wanted = plain_ids(
            [id_ for id_, one in held.items() if scope.sees(one)][:MAX_OBJECTS] if ids is None else ids, created
        )
        if len(wanted) > MAX_OBJECTS:
            raise MethodError("requestTooLarge")
        wanted = [one for one in wanted if parses(one)]
        seen = {one: held[one] for one in wanted if one in held and scope.sees(held[one])}
        shown = [
            self._select_properties(kind, seen[one], arguments.get("properties"), scope)
            for one in wanted
            if one in seen
        ]
        missing = [] if ids is None else [one for one in wanted if one not in seen]
        return {"list": shown, "notFound": missing}

    def _select_properties(self, kind: str, one: Object, properties: list[str] | None, scope: Scope) -> Object:
        everything = scope.shown(kind, one)
        known = [prop for prop in properties or [] if prop in everything or prop == "dnsZoneFile"]
        if kind == "Domain" and (not known or "dnsZoneFile" in known):
            everything["dnsZoneFile"] = self._zone(one)
        if not known:
            return everything
        # `@type` is returned only if requested by name
        return {prop: everything[prop] for prop in ("id", *known) if prop in everything}

    def _query(self, name: str, kind: str, arguments: Object, scope: Scope) -> Object:
        conditions = _conditions(arguments.get("filter") or {}, KINDS[kind].filters)
        if arguments.get("sort"):
            raise MethodError("unsupportedSort")
        held = self._registry.objects[kind]
        ids = [id_ for id_ in self._registry.query(kind, conditions) if scope.sees(held[id_])]
        if "text" in conditions and self._inject("text_surplus", name):
            ids += [id_ for id_ in held if id_ not in ids][:1]
        total = {"total": len(ids)} if arguments.get("calculateTotal") else {}
        if "anchor" in arguments:
            ids = [id_ for id_ in ids if decode_id(id_) > decode_id(arguments["anchor"])]
        # limited in the order of oldest first, and reversed after that
        found = ids[: min(arguments.get("limit") or self.max_found, self.max_found)][::-1]
        return {"queryState": "n", "canCalculateChanges": True, "position": 0, "ids": found, **total}


def _conditions(given: Object, filters: tuple[str, ...]) -> Object:
    conditions = given
    if "operator" in given:
        if given["operator"] != "AND":
            raise MethodError("unsupportedFilter")
        conditions = {key: value for one in given["conditions"] for key, value in one.items()}
    if any(prop not in filters for prop in conditions):
        raise MethodError("unsupportedFilter")
    return conditions


def _require_own(account_id: Any, caller: Caller) -> None:
    """Refuse another account without `impersonate`; a missing or malformed id means the caller's own."""
    if account_id and parses(account_id) and account_id != caller.account and "impersonate" not in caller.permissions:
        raise MethodError("forbidden", f"You are not an owner of account {account_id}")
