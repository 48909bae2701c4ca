"""The JMAP method set: each object is a separate transaction with its own error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.simulators.stalwart.calls import MethodError, in_order, require_known, with_ids
from sandbox.simulators.stalwart.objects.names import parses
from sandbox.simulators.stalwart.objects.properties import Object, SetError
from sandbox.simulators.stalwart.scope import Scope

MAX_OBJECTS = 500
#: argument of the method to the verb of the required permission
VERBS = {"create": "Create", "update": "Update", "destroy": "Destroy"}
#: errors for a lost race and for an unavailable store
UNAVAILABLE = "This server is temporarily unavailable. Attempting this same operation later may succeed."
#: kind whose create also returns a secret
WITH_SECRET = "ApiKey"  # noqa: S105 - the name of a kind
#: `inject(kind, call)` tells whether that fault is injected into this call
Inject = Callable[[str, str], bool]


class Setting:
    """One call of /set. `created`: ids created earlier in the request, by creation id; new ones are added."""

    def __init__(self, scope: Scope, kind: str, created: dict[str, str], inject: Inject, run_tasks: Callable[[], Any]):
        self._scope = scope
        self._kind = kind
        self._created = created
        self._inject = inject
        self._run_tasks = run_tasks
        self._result: dict[str, Any] = {}
        self._account: str | None = None

    def response(self, name: str, arguments: Object) -> Object:
        """Return the response's lists that are not empty. Raises MethodError; earlier objects stay stored."""
        self._require(arguments)
        creates = arguments.get("create") or {}
        updates = {
            with_ids(f"{id_}", self._created, "Id"): patch for id_, patch in (arguments.get("update") or {}).items()
        }
        # as in Stalwart, a creation reference is dropped here like any malformed id
        destroys = list(arguments.get("destroy") or [])
        self._account = arguments.get("accountId")
        require_known(creates, self._created)
        for key in in_order(creates):
            self._make(name, key, creates[key])
            self._stop_midway(name)
        for id_, patch in updates.items():
            self._each("updated", id_, partial(self._update, id_, patch, destroys))
            self._stop_midway(name)
        for id_ in destroys:
            self._each("destroyed", id_, partial(self._destroy, name, id_))
            self._stop_midway(name)
        return self._result

    def _require(self, arguments: Object) -> None:
        given = [argument for argument in VERBS if arguments.get(argument)]
        if sum(len(arguments[argument]) for argument in given) > MAX_OBJECTS:
            raise MethodError("requestTooLarge")
        for argument in given:
            if not self._scope.may(self._kind, VERBS[argument]):
                raise MethodError("forbidden", "You do not have enough permissions to perform this action.")

    def _make(self, name: str, key: str, given: Object) -> None:
        try:
            body = with_ids(given, self._created)
            if self._inject("race_lost", name):
                # another caller commits the same key between the check and the commit
                theirs = {"description": "somebody else's"} if self._kind == "Domain" else {}
                self._scope.create(self._kind, {**body, **theirs})
                raise MethodError("serverUnavailable", UNAVAILABLE)
            stored = self._scope.create(self._kind, body, self._account)
        except SetError as error:
            self._result.setdefault("notCreated", {})[key] = error.body
        else:
            self._created[key] = stored["id"]
            self._result.setdefault("created", {})[key] = {"id": stored["id"]}
            if self._kind == WITH_SECRET:
                self._result["created"][key]["secret"] = stored["secret"]

    def _update(self, id_: str, patch: Object, destroys: list[str]) -> None:
        if id_ in destroys:
            raise SetError("willDestroy")
        self._scope.update(self._kind, id_, with_ids(patch, self._created))

    def _destroy(self, name: str, id_: str) -> None:
        if self._inject("tasks_in_between", name):
            self._run_tasks()
        self._scope.destroy(self._kind, id_)

    def _each(self, done: str, id_: str, act: Callable[[], None]) -> None:
        if not parses(id_):
            return  # dropped silently
        try:
            act()
        except SetError as error:
            self._result.setdefault(f"not{done.capitalize()}", {})[id_] = error.body
        else:
            if done == "updated":
                self._result.setdefault(done, {})[id_] = None
            else:
                self._result.setdefault(done, []).append(id_)

    def _stop_midway(self, name: str) -> None:
        if self._inject("partial_commit", name):
            raise MethodError("serverUnavailable", UNAVAILABLE)
