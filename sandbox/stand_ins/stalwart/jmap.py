"""The JMAP side: envelopes, references, and the methods get, query and set of each object type."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.stand_ins.stalwart.kinds import KINDS, Object, SetError
from sandbox.stand_ins.stalwart.registry import Registry, parses

MAX_OBJECTS = 500


class MethodError(Exception):
    """An error at the level of a method: still HTTP 200."""

    def __init__(self, type_: str, description: str = "") -> None:
        super().__init__(type_)
        self.body = {"type": type_, "description": description}


class Jmap:
    """`zone` makes a domain's zone text; `strike(kind, call)` says whether that fault was ordered for this call."""

    def __init__(self, registry: Registry, zone: Callable[[Object], str], strike: Callable[[str, str], bool]) -> None:
        self._registry = registry
        self._zone = zone
        self._strike = strike

    def answer(self, calls: list[list[Any]], account_id: str) -> list[list[Any]]:
        """The method responses, in order."""
        responses: list[list[Any]] = []
        created: dict[str, str] = {}
        for name, arguments, call_id in calls:
            try:
                resolved = _resolved(arguments, responses)
                responses.append([name, self._call(name, resolved, created, account_id), call_id])
            except MethodError as error:
                responses.append(["error", error.body, call_id])
        return responses

    def _call(self, name: str, arguments: Object, created: dict[str, str], account_id: str) -> Object:
        prefix, _, method = name.partition("/")
        kind = prefix.removeprefix("x:")
        methods = {"get": self._get, "query": self._query}
        if not prefix.startswith("x:") or kind not in KINDS or method not in ("get", "query", "set"):
            raise MethodError("unknownMethod", name)
        if self._strike("server_unavailable", name):
            raise MethodError("serverUnavailable", "The data store did not answer.")
        if method == "set":
            return {"accountId": account_id, **self._set(name, kind, arguments, created)}
        return {"accountId": account_id, **methods[method](kind, arguments)}

    def _get(self, kind: str, arguments: Object) -> Object:
        held = self._registry.objects[kind]
        ids = arguments.get("ids")
        wanted = [one for one in (list(held)[:MAX_OBJECTS] if ids is None else ids) if parses(one)]
        if len(wanted) > MAX_OBJECTS:
            raise MethodError("requestTooLarge")
        shown = [self._shown(kind, held[one], arguments.get("properties")) for one in wanted if one in held]
        return {"list": shown, "notFound": [one for one in wanted if one not in held]}

    def _shown(self, kind: str, one: Object, properties: list[str] | None) -> Object:
        everything = {**one}
        known = [prop for prop in properties or [] if prop in everything or prop == "dnsZoneFile"]
        if kind == "Domain" and (not known or "dnsZoneFile" in known):
            everything["dnsZoneFile"] = self._zone(one)
        if not known:
            return everything
        return {prop: everything[prop] for prop in ("id", "@type", *known) if prop in everything}

    def _query(self, kind: str, arguments: Object) -> Object:
        conditions = arguments.get("filter") or {}
        if "operator" in conditions:
            if conditions["operator"] != "AND":
                raise MethodError("unsupportedFilter")
            conditions = {key: value for one in conditions["conditions"] for key, value in one.items()}
        if any(prop not in KINDS[kind].filters for prop in conditions):
            raise MethodError("unsupportedFilter")
        ids = self._registry.query(kind, conditions)
        return {"queryState": "n", "canCalculateChanges": True, "position": 0, "ids": ids[:5000]}

    def _set(self, name: str, kind: str, arguments: Object, created: dict[str, str]) -> Object:
        result: dict[str, Any] = {}
        updates, destroys = arguments.get("update") or {}, arguments.get("destroy") or []
        for key, body in (arguments.get("create") or {}).items():
            try:
                stored = self._create(name, kind, _with_created(body, created))
            except SetError as error:
                result.setdefault("notCreated", {})[key] = error.body
            else:
                created[key] = stored["id"]
                result.setdefault("created", {})[key] = {"id": stored["id"]}
        for id_, patch in updates.items():
            self._each(result, "updated", id_, partial(self._update, kind, id_, patch, destroys))
        for id_ in destroys:
            self._each(result, "destroyed", id_, partial(self._registry.destroy, kind, id_))
        return result

    def _create(self, name: str, kind: str, body: Object) -> Object:
        if self._strike("race_lost", name):
            # somebody else's commit of the same key lands between our check and our commit
            self._registry.create(kind, {**body, "description": "somebody else's"} if kind == "Domain" else body)
            raise MethodError("serverUnavailable", "Assertion failed.")
        return self._registry.create(kind, body)

    def _update(self, kind: str, id_: str, patch: Object, destroys: list[str]) -> None:
        if id_ in destroys:
            raise SetError("willDestroy")
        self._registry.update(kind, id_, patch)

    @staticmethod
    def _each(result: dict[str, Any], done: str, id_: str, act: Callable[[], None]) -> None:
        if not parses(id_):
            return  # dropped without a word
        try:
            act()
        except SetError as error:
            result.setdefault(f"not{done.capitalize()}", {})[id_] = error.body
        else:
            if done == "updated":
                result.setdefault(done, {})[id_] = None
            else:
                result.setdefault(done, []).append(id_)


def _resolved(arguments: Object, responses: list[list[Any]]) -> Object:
    """Arguments with back references (`#ids`, `#destroy`) put in."""
    resolved: Object = {}
    for key, value in arguments.items():
        if not key.startswith("#"):
            resolved[key] = value
            continue
        found = next((one for one in responses if one[2] == value["resultOf"] and one[0] == value["name"]), None)
        if found is None:
            raise MethodError("invalidResultReference")
        target: Any = found[1]
        if value["path"] == "/list/*/id":
            target = [one["id"] for one in target["list"]]
        else:
            target = target[value["path"].strip("/")]
        resolved[key[1:]] = target
    return resolved


def _with_created(body: Object, created: dict[str, str]) -> Object:
    """Creation references `#cid` replaced by ids."""
    filled: Object = {}
    for key, value in body.items():
        if isinstance(value, str) and value.startswith("#"):
            if value[1:] not in created:
                raise MethodError("invalidResultReference")
            filled[key] = created[value[1:]]
        else:
            filled[key] = value
    return filled
