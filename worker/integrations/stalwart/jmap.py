"""JMAP as Stalwart 0.16 speaks it for management: envelopes out, and its three levels of refusal in our words.

A request can fail as HTTP, a method inside it as an "error" response, and each object of a /set on its own; the last
two come with status 200. Every id that was sent must be accounted for: one that does not parse is dropped silently.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random

from shared.integrations.outcomes import Fault, Missing, Refused, Unavailable
from worker.http.deadline import remaining
from worker.http.json_client import JsonApi
from worker.http.response import Answer
from worker.integrations.stalwart.jmap_batching import Call, Object, SharedRequests

#: Stalwart refuses more requests in flight than this for one account, and all our threads share one
CONCURRENT = 4
#: and more method calls than this in one request
MOST_CALLS = 16
#: and more objects than this in one get
LARGEST_GET = 500
#: how long a request that found too many others in flight, other processes' too, is sent again, in seconds
CROWD_PATIENCE = 3.0
#: kinds of which a repeated creation makes a second one: nothing of them is unique
NAMELESS = frozenset({"Tenant", "DkimSignature", "ApiKey"})
USING = ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"]


class KeyTaken(Refused):
    """A unique key is held by another object: `kind` and `id` name the holder."""

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__("taken")
        self.kind = kind
        self.id = id_


class _Crowded(Unavailable):
    """Nothing was carried out: too many requests of our account were in flight."""


class Jmap:
    """Calls on one server. The server's own idea of its URL is never followed: inside a cluster it is wrong."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api
        self._requests = SharedRequests(
            self._sent, in_flight=CONCURRENT, most_calls=MOST_CALLS, call_seconds=api.call_seconds
        )
        self._numbers = itertools.count()

    def read(self, *calls: Call) -> list[Object]:
        """The answers of calls that change nothing; `{"resultOf": "<index>"}` references go by the call's index."""
        return self._request(calls, repeatable=True)

    def find_all(self, kind: str, condition: Object, properties: Sequence[str]) -> list[Object]:
        """Every object that meets the condition, however many there are."""
        ids = self._all_ids(kind, {"filter": condition} if condition else {})
        found: list[Object] = []
        for start in range(0, len(ids), LARGEST_GET):
            some = {"ids": ids[start : start + LARGEST_GET], "properties": list(properties)}
            (page,) = self.read((f"x:{kind}/get", some))
            found += page["list"]
        return found

    def _all_ids(self, kind: str, query: Object) -> list[str]:
        """Newest first. A query gives a part, the oldest, and does not say that it is one: what is behind it is asked
        for until there is nothing."""
        ids: list[str] = []
        while True:
            (answer,) = self.read((f"x:{kind}/query", query | ({"anchor": ids[0]} if ids else {})))
            if not answer["ids"] or answer["ids"][0] in ids:
                return ids
            ids = answer["ids"] + ids

    def create(
        self, kind: str, body: Object, then: Callable[[str], Sequence[tuple[str, Object]]] = lambda reference: ()
    ) -> str:
        """The new object's id. Raises KeyTaken.

        `then`: kinds and bodies of objects to be made after it, in the same round trip, by a reference to it. Whether
        they were made is for a later look to tell.
        """
        # never the same twice: in a request that others share it would refer to an object of theirs
        new = f"new{next(self._numbers)}"
        first = (f"x:{kind}/set", {"create": {new: body}})
        later = [(f"x:{one}/set", {"create": {f"{new}-{n}": made}}) for n, (one, made) in enumerate(then(f"#{new}"))]
        shareable = kind not in NAMELESS
        responses = self._requests.responses([first, *later], repeatable=False, shareable=shareable)
        answer = _method_answer(first[0], responses[0])
        if new in answer.get("created", {}):
            return str(answer["created"][new]["id"])
        raise _set_fault(answer.get("notCreated", {}).get(new))

    def update(self, kind: str, id_: str, patch: Object) -> None:
        """Apply a patch with JSON-pointer keys. Raises Missing."""
        (answer,) = self._request([(f"x:{kind}/set", {"update": {id_: patch}})], repeatable=True)
        if id_ not in answer.get("updated", {}):
            raise _set_fault(answer.get("notUpdated", {}).get(id_))

    def destroy(self, kind: str, id_: str) -> tuple[Object, ...]:
        """Remove an object; one that is gone already is fine. What still refers to it, when that stops its removal."""
        (answer,) = self._request([(f"x:{kind}/set", {"destroy": [id_]})], repeatable=True)
        if id_ in answer.get("destroyed", []):
            return ()
        error = answer.get("notDestroyed", {}).get(id_)
        if error is not None and error.get("type") == "objectIsLinked":
            return tuple(error.get("linkedObjects") or ())
        if error is not None and error.get("type") == "notFound":
            return ()
        raise _set_fault(error)

    def edition(self) -> str:
        """`oss`, `community` or `enterprise`: which the last means built with it and licensed."""
        answer = self._api.call("GET", "/api/account")
        if answer.status != 200:
            raise _http_fault(answer)
        return answer.text("edition")

    def _request(self, calls: Sequence[Call], *, repeatable: bool) -> list[Object]:
        responses = self._requests.responses(calls, repeatable=repeatable, shareable=repeatable)
        return [_method_answer(name, response) for (name, _), response in zip(calls, responses, strict=True)]

    def _sent(self, invocations: list[list[Any]], repeatable: bool) -> list[Any]:
        """A response for each, of whatever kind."""
        again = Retrying(
            retry=retry_if_exception_type(_Crowded),
            stop=stop_before_delay(remaining(CROWD_PATIENCE)),
            wait=wait_random(0.05, 0.3),
            reraise=True,
        )
        body = again(self._posted, {"using": USING, "methodCalls": invocations}, repeatable).fields()
        responses = body.get("methodResponses")
        if not isinstance(responses, list) or len(responses) != len(invocations):
            raise Unavailable("unexpected_answer", "A method was left unanswered.")
        if not all(isinstance(one, list) and len(one) > 1 and isinstance(one[1], dict) for one in responses):
            raise Unavailable("unexpected_answer", "A method's answer has another shape.")
        return responses

    def _posted(self, body: Object, repeatable: bool) -> Answer:
        answer = self._api.call("POST", "/jmap/", json=body, repeatable=repeatable)
        if answer.status != 200:
            raise _http_fault(answer)
        return answer


def _method_answer(name: str, response: Any) -> Object:
    if response[0] == name:
        return dict(response[1])
    type_ = str(response[1].get("type", ""))
    # serverUnavailable is also how a lost race for a unique key is told: look again, then decide
    if type_ in ("serverUnavailable", "serverPartialFail", "serverFail"):
        raise Unavailable("upstream_error", f"{name} was not carried out.")
    if type_ == "forbidden":
        raise Refused("missing_permission", f"The account may not call {name}.")
    if type_ in ("unknownMethod", "unsupportedFilter", "unsupportedSort"):
        raise Refused("not_supported", f"This version does not know {name} as it is used here.")
    raise Refused("invalid", f"{name} was refused as {type_}.")


def _set_fault(error: Object | None) -> Fault:
    if error is None:
        return Unavailable("unexpected_answer", "An object that was sent is in no list of the answer.")
    type_ = str(error.get("type", ""))
    if type_ == "primaryKeyViolation":
        holder = error.get("objectId") or {}
        return KeyTaken(str(holder.get("object", "")), str(holder.get("id", "")))
    if type_ == "notFound":
        return Missing()
    if type_ == "invalidForeignKey":
        # what it points at vanished between two calls, or belongs to another tenant: start over and see
        return Unavailable("upstream_error", "An object it depends on was not there.")
    if type_ == "rateLimit":
        return Unavailable("throttled", "Too many objects of this kind were made lately.")
    reasons = {"forbidden": "missing_permission", "overQuota": "quota"}
    return Refused(reasons.get(type_, "invalid"), f"Stalwart refused the object as {type_}.")


def _http_fault(answer: Answer) -> Fault:
    if answer.status in (401, 402, 403):
        # never tried again: Stalwart bans an address for good after many failed logins
        return Refused("bad_credentials")
    if answer.status == 400 and _limit(answer) == "maxConcurrentRequests":
        return _Crowded("throttled", "Too many requests of ours at once.", wait=0.5)
    if answer.status == 404:
        return Refused("not_supported", "There is no JMAP management at this URL; version 0.16 or newer is needed.")
    return answer.refusal()


def _limit(answer: Answer) -> str | None:
    try:
        return answer.text("limit")
    except Unavailable:
        return None
