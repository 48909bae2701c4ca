"""Few requests in flight, many who ask: those who wait for a free one go together in the next.

A server that bounds the requests of one account, and takes several method calls in each, is used to its full only so.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from shared.integrations.outcomes import Fault, Refused, Unavailable
from worker.http.deadline import remaining

log = structlog.get_logger(__name__)

Object = dict[str, Any]
Call = tuple[str, Object]
#: calls with their ids, whether the request may be repeated; a response for each call
Send = Callable[[list[list[Any]], bool], list[Any]]

#: faults of a whole request that say nothing of what was in it; all others (a wait asked for, credentials refused,
#: a server that hangs) hold for each
_OF_THE_WHOLE = frozenset({"unreachable", "upstream_error", "unexpected_answer", "invalid"})


@dataclass(eq=False)
class _Asked:
    """One asker's calls. `goes_alone`: no other's may be in the same request. `woken`: it is answered, or its turn.

    `is_over`: nobody waits for it any more.
    """

    calls: Sequence[Call]
    repeatable: bool
    goes_alone: bool
    woken: threading.Event = field(default_factory=threading.Event)
    is_sent: bool = False
    is_over: bool = False
    responses: list[Any] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def is_answered(self) -> bool:
        return bool(self.responses) or self.fault is not None

    def result(self) -> list[Any]:
        if self.fault is not None:
            # each thread raises its own: a traceback is written into what is raised
            raise copy.copy(self.fault)
        return self.responses


class SharedRequests:
    """One per server and process; safe to share between threads. Who asks first goes first.

    The thread whose turn it is sends for all who go with it, so nothing runs here but those who ask.
    """

    def __init__(self, send: Send, *, in_flight: int, most_calls: int, call_seconds: float) -> None:
        """`in_flight`: requests at once; `most_calls`: method calls in one; `call_seconds`: the time one has."""
        self._send = send
        self._free = in_flight
        self._most_calls = most_calls
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []

    def responses(self, calls: Sequence[Call], *, repeatable: bool, shareable: bool) -> list[Any]:
        """A response for each call, in order; `resultOf` of a reference is the index of a call among these.

        `repeatable`: the transport may repeat the request. `shareable`: the calls may go with others', and again by
        themselves when that request failed and nobody can tell whether it had an effect. Raises the request's fault.
        """
        asked = _Asked(calls, repeatable, goes_alone=self._is_in_haste() or not shareable)
        with self._lock:
            self._waiting.append(asked)
            self._wake_first()
        while not asked.is_answered:
            company = self._next_company(asked)
            if company:
                self._send_for(company)
        return asked.result()

    def _next_company(self, asked: _Asked) -> list[_Asked]:
        """Who goes with this asker in the request that is theirs to send; nobody when it has an answer instead."""
        left = remaining(float("inf"))
        in_time = asked.woken.wait(None if left == float("inf") else max(0.0, left))
        with self._lock:
            asked.woken.clear()
            if asked.is_answered:
                return []
            if self._free and self._waiting and self._waiting[0] is asked:
                return self._taken(asked)
            if not in_time:
                self._give_up(asked)
            return []

    def _is_in_haste(self) -> bool:
        """With less time than a whole request has, this thread's end would be the others' end too."""
        return remaining(self._call_seconds) < self._call_seconds

    def _wake_first(self) -> None:
        if self._free and self._waiting:
            self._waiting[0].woken.set()

    def _taken(self, leader: _Asked) -> list[_Asked]:
        company = [leader]
        room = self._most_calls - len(leader.calls)
        for other in () if leader.goes_alone or self._is_in_haste() else self._waiting[1:]:
            if not other.goes_alone and other.repeatable == leader.repeatable and len(other.calls) <= room:
                company.append(other)
                room -= len(other.calls)
        self._waiting = [one for one in self._waiting if one not in company]
        for one in company:
            one.is_sent = True
        self._free -= 1
        self._wake_first()
        return company

    def _give_up(self, asked: _Asked) -> None:
        asked.is_over = True
        if asked.is_sent:
            raise Unavailable("timeout", "The attempt's time was up before the answer.")
        self._waiting.remove(asked)
        self._wake_first()
        raise Unavailable("timeout", "The attempt's time was up before a request was free.")

    def _send_for(self, company: list[_Asked]) -> None:
        fault: Fault | None = None
        responses: list[Any] = []
        try:
            sent: list[list[Any]] = []
            for asked in company:
                sent += _numbered(asked.calls, len(sent))
            responses = self._send(sent, company[0].repeatable)
        except Fault as caught:
            fault = caught
        finally:
            with self._lock:
                self._free += 1
                self._settle(company, responses, fault)
                self._wake_first()

    def _settle(self, company: list[_Asked], responses: list[Any], fault: Fault | None) -> None:
        if fault is not None and len(company) > 1 and fault.reason in _OF_THE_WHOLE:
            self._part(company, fault)
            return
        start = 0
        for asked in company:
            asked.fault = fault or (None if responses else Unavailable("unexpected_answer", "The request broke."))
            asked.responses = responses[start : start + len(asked.calls)]
            asked.woken.set()
            start += len(asked.calls)

    def _part(self, company: list[_Asked], fault: Fault) -> None:
        """Each by itself now, before all who came later. One bad call, or one lost answer, is not everybody's."""
        if isinstance(fault, Refused):
            # its limits may be set lower than they come: half as much goes together from here on
            refused = sum(len(asked.calls) for asked in company)
            self._most_calls = min(self._most_calls, refused // 2)
            log.warning("jmap.sharing_refused", calls=refused, most_from_now_on=self._most_calls)
        still_here = [asked for asked in company if not asked.is_over]
        for asked in still_here:
            asked.goes_alone, asked.is_sent = True, False
        self._waiting = still_here + self._waiting


def _numbered(calls: Sequence[Call], start: int) -> list[list[Any]]:
    """Invocations (RFC 8620, section 3.2) with their ids, references to results moved along with them."""
    return [[name, _moved(arguments, start), str(start + index)] for index, (name, arguments) in enumerate(calls)]


def _moved(arguments: Object, start: int) -> Object:
    return {
        key: {**value, "resultOf": str(start + int(value["resultOf"]))} if key.startswith("#") else value
        for key, value in arguments.items()
    }
