"""Speak JMAP as Stalwart 0.16 does for management, and translate its three levels of errors.

A request can fail as HTTP, a method inside it as an "error" response, and each object of a /set on its own; the last
two come with status 200. The response must name every id that was sent: the server silently drops malformed ones.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random

from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from worker.http.deadline import remaining
from worker.http.json_client import JsonClient
from worker.http.response import ApiResponse
from worker.integrations.stalwart.protocol.answers import checked_answer, checked_responses, object_fault
from worker.integrations.stalwart.protocol.batching import Call, Object, SharedRequests

#: an account without unlimited requests may have this many in flight, and all our threads share one account
CONCURRENT = 4
#: method calls in one request
MAX_CALLS = 16
#: objects in one get
MAX_IDS_PER_GET = 500
#: how long a request is retried that the server refused because too many are in flight, in seconds
BUSY_TIMEOUT = 3.0
#: kinds without unique keys: a repeated creation makes a second object
NAMELESS = frozenset({"Tenant", "DkimSignature", "ApiKey"})
MANAGEMENT = "urn:stalwart:jmap"
USING = ["urn:ietf:params:jmap:core", MANAGEMENT]
SESSION = "/jmap/session"
BANNED = (
    "Stalwart has banned this worker's address after failed sign-ins. Correct the credentials, then destroy the "
    "address's x:BlockedIp (Settings, Security, Blocked IPs) and create the x:Action ReloadBlockedIps."
)
FORBIDDEN = (
    "It answered 403: our account lacks the permission `authenticate`, our key's allowedIps do not hold this worker's "
    "address, or Stalwart has banned that address (then there is an x:BlockedIp for it)."
)
ONE_REQUEST = (
    "It answered {} to this request alone, though it accepts our account: look for a filter in front of it that "
    "refuses something in the tenant's data."
)


class _TooManyRequests(TemporaryError):
    """The request was not carried out: too many requests of our account were in flight."""


class Jmap:
    """Makes calls on one server. The URL in its session is ignored: inside a cluster it is wrong."""

    def __init__(self, api: JsonClient, anonymous: JsonClient | None = None) -> None:
        """`anonymous`: the same server without credentials, to tell a ban from a missing permission."""
        self._api = api
        self._anonymous = anonymous
        self._requests = SharedRequests(
            self._send, in_flight=CONCURRENT, max_calls=MAX_CALLS, call_seconds=api.call_seconds
        )
        self._numbers = itertools.count()
        #: whether the server accepted our account at the last request; None before the first
        self._is_accepted: bool | None = None
        self._sign_in = threading.Lock()

    def read(self, *calls: Call) -> list[Object]:
        """Return the answers of calls that change nothing; `{"resultOf": "<index>"}` is the index of a call here."""
        return self._request(calls, repeatable=True)

    def find_all(self, kind: str, condition: Object, properties: Sequence[str]) -> list[Object]:
        """Return every object that meets the condition, however many there are."""
        return self.find_any(kind, [condition], properties)

    def find_any(self, kind: str, conditions: Sequence[Object], properties: Sequence[str]) -> list[Object]:
        """Return every object that meets one of the conditions, in as few requests as possible: there is no OR."""
        ids: list[str] = []
        for start in range(0, len(conditions), MAX_CALLS):
            ids += self._all_ids(kind, conditions[start : start + MAX_CALLS])
        return self.get_all(kind, list(dict.fromkeys(ids)), properties)

    def get_all(self, kind: str, ids: Sequence[str], properties: Sequence[str]) -> list[Object]:
        """Return those of these objects that exist."""
        found: list[Object] = []
        for start in range(0, len(ids), MAX_IDS_PER_GET):
            some = {"ids": list(ids[start : start + MAX_IDS_PER_GET]), "properties": list(properties)}
            (page,) = self.read((f"x:{kind}/get", some))
            found += page["list"]
        return found

    def _all_ids(self, kind: str, conditions: Sequence[Object]) -> list[str]:
        """Return all ids, newest first. A query silently returns only the oldest part: repeat it until none is left."""
        found: list[list[str]] = [[] for _ in conditions]
        unfinished = list(range(len(conditions)))
        while unfinished:
            queries = [
                ({"filter": conditions[n]} if conditions[n] else {}) | ({"anchor": found[n][0]} if found[n] else {})
                for n in unfinished
            ]
            answers = self.read(*((f"x:{kind}/query", query) for query in queries))
            new = {n: answer["ids"] for n, answer in zip(unfinished, answers, strict=True)}
            unfinished = [n for n, ids in new.items() if ids and ids[0] not in found[n]]
            for n in unfinished:
                found[n] = new[n] + found[n]
        return [id_ for ids in found for id_ in ids]

    def create(
        self, kind: str, body: Object, then: Callable[[str], Sequence[tuple[str, Object]]] = lambda reference: ()
    ) -> str:
        """Create an object and return its id. Raises KeyTaken.

        `then`: kinds and bodies of objects to create after it in the same round trip, by a reference to it. A later
        read must verify these.
        """
        # unique, because in a shared request a repeated one would be another caller's object
        new = f"new{next(self._numbers)}"
        first = (f"x:{kind}/set", {"create": {new: body}})
        later = [(f"x:{one}/set", {"create": {f"{new}-{n}": made}}) for n, (one, made) in enumerate(then(f"#{new}"))]
        shareable = kind not in NAMELESS
        responses = self._requests.responses([first, *later], repeatable=False, shareable=shareable)
        answer = checked_answer(first[0], responses[0])
        if new in answer.get("created", {}):
            return str(answer["created"][new]["id"])
        raise object_fault(answer.get("notCreated", {}).get(new))

    def update(self, kind: str, id_: str, patch: Object, then: Sequence[tuple[str, Object]] = ()) -> bool:
        """Apply a patch with JSON-pointer keys. Raises NotFound.

        `then`: kinds and bodies of objects to create after it in the same request; they may be created twice, or not.
        Return whether all of them were created.
        """
        first = (f"x:{kind}/set", {"update": {id_: patch}})
        later = [(f"x:{one}/set", {"create": {"new": made}}) for one, made in then]
        responses = self._requests.responses([first, *later], repeatable=True, shareable=True)
        answer = checked_answer(first[0], responses[0])
        if id_ not in answer.get("updated", {}):
            raise object_fault(answer.get("notUpdated", {}).get(id_))
        return all("new" in (response[1].get("created") or {}) for response in responses[1:])

    def destroy(self, kind: str, id_: str) -> tuple[Object, ...]:
        """Remove an object; return the objects that still refer to it and block the removal. Idempotent."""
        (answer,) = self._request([(f"x:{kind}/set", {"destroy": [id_]})], repeatable=True)
        if id_ in answer.get("destroyed", []):
            return ()
        error = answer.get("notDestroyed", {}).get(id_)
        if error is not None and error.get("type") == "objectIsLinked":
            return tuple(error.get("linkedObjects") or ())
        if error is not None and error.get("type") == "notFound":
            return ()
        raise object_fault(error)

    def account(self) -> Object:
        """Return the server's edition and our account's permissions."""
        return self._got("/api/account").fields()

    def own_account(self) -> str:
        """Return the id of the account that our credentials belong to.

        Raises TemporaryError when the session has none.
        """
        primary = self._got(SESSION).fields().get("primaryAccounts")
        found = primary.get(MANAGEMENT) if isinstance(primary, dict) else None
        if not isinstance(found, str) or not found:
            raise TemporaryError("unexpected_answer", "The session does not name our account.")
        return found

    def _got(self, path: str) -> ApiResponse:
        answer = self._api.call("GET", path)
        # these belong to no tenant, so a refusal concerns our account
        self._is_accepted = answer.status not in (401, 403)
        if answer.status != 200:
            raise self._http_fault(answer)
        return answer

    def _request(self, calls: Sequence[Call], *, repeatable: bool) -> list[Object]:
        responses = self._requests.responses(calls, repeatable=repeatable, shareable=repeatable)
        return [checked_answer(name, response) for (name, _), response in zip(calls, responses, strict=True)]

    def _send(self, invocations: list[list[Any]], repeatable: bool) -> list[Any]:
        """Send method calls and return a response for each, errors included."""
        again = Retrying(
            retry=retry_if_exception_type(_TooManyRequests),
            stop=stop_before_delay(remaining(BUSY_TIMEOUT)),
            wait=wait_random(0.05, 0.3),
            reraise=True,
        )
        body = again(self._post, {"using": USING, "methodCalls": invocations}, repeatable).fields()
        return checked_responses(body, len(invocations))

    def _post(self, body: Object, repeatable: bool) -> ApiResponse:
        answer = self._api.call("POST", "/jmap/", json=body, repeatable=repeatable)
        if answer.status != 200:
            raise self._http_fault(answer)
        self._is_accepted = True
        return answer

    def _http_fault(self, answer: ApiResponse) -> Fault:
        if answer.status == 403:
            return self._forbidden()
        if answer.status == 401:
            return self._unauthorized()
        if answer.status == 402:
            return PermanentError("bad_credentials")
        if answer.status == 400 and _limit(answer) == "maxConcurrentRequests":
            return _TooManyRequests("throttled", "Too many requests of ours at once.", wait=0.5)
        if answer.status == 404:
            return PermanentError(
                "not_supported", "There is no JMAP management at this URL; version 0.16 or newer is needed."
            )
        return answer.refusal()

    def _unauthorized(self) -> PermanentError:
        """Distinguish refused credentials from one refused request, as `_forbidden` does.

        It tests them only once after they worked: Stalwart bans an address for good after many failed sign-ins.
        """
        with self._sign_in:
            if self._is_accepted is not False:
                self._is_accepted = self._api.call("GET", SESSION).status == 200
            if self._is_accepted:
                return PermanentError("missing_permission", ONE_REQUEST.format(401))
            return PermanentError("bad_credentials")

    def _forbidden(self) -> PermanentError:
        """Distinguish a refused account, which affects all tenants, from one refused request, which affects one."""
        if self._api.call("GET", SESSION).status == 200:
            return PermanentError("missing_permission", ONE_REQUEST.format(403))
        return PermanentError("bad_credentials", BANNED if self._is_banned() else FORBIDDEN)

    def _is_banned(self) -> bool:
        """Return whether this address is banned: it gets 403 even without credentials, others an anonymous session."""
        try:
            return self._anonymous is not None and self._anonymous.call("GET", SESSION).status == 403
        except Fault:
            return False


def _limit(answer: ApiResponse) -> str | None:
    try:
        found = answer.fields().get("limit")
    except TemporaryError:
        return None
    return found if isinstance(found, str) else None
