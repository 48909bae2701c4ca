"""Batch the calls of many threads into few requests: calls that wait for a free request go together in the next.

The server limits concurrent requests of one account, but accepts several method calls in each.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from shared.integrations.outcomes import Fault, TemporaryError
from worker.http.deadline import remaining

log = structlog.get_logger(__name__)

Object = dict[str, Any]
Call = tuple[str, Object]
#: sends calls with their ids, and whether the request may be repeated; returns a response for each call
Send = Callable[[list[list[Any]], bool], list[Any]]

#: faults of a shared request that one tenant's call may have caused, so each call is repeated alone. Refused
#: credentials and a short wait concern all calls
_OF_THE_WHOLE = frozenset(
    {"unreachable", "timeout", "upstream_error", "unexpected_answer", "invalid", "missing_permission"}
)
#: a call that is told to wait longer than this, in seconds, is first repeated alone
SHORT_WAIT = 5.0


@dataclass(eq=False)
class _Pending:
    """The calls of one thread. `is_alone`: they share no request. `is_over`: the thread's time is over.

    `wake`: set when the calls are answered, or when the thread may send.
    """

    calls: Sequence[Call]
    repeatable: bool
    is_alone: bool
    wake: threading.Event = field(default_factory=threading.Event)
    is_sent: bool = False
    is_over: bool = False
    responses: list[Any] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def is_answered(self) -> bool:
        return bool(self.responses) or self.fault is not None

    def result(self) -> list[Any]:
        if self.fault is not None:
            # each thread raises a copy, because raising adds a traceback to the exception
            raise copy.copy(self.fault)
        return self.responses


class SharedRequests:
    """Batches the calls of threads in order. One per server and process; safe to share between threads.

    The first waiting thread sends the request for all calls in it, so this class needs no own thread.
    """

    def __init__(self, send: Send, *, in_flight: int, max_calls: int, call_seconds: float) -> None:
        """`in_flight`: requests at once; `max_calls`: method calls in one; `call_seconds`: the time for one."""
        self._send = send
        self._free = in_flight
        self._max_calls = max_calls
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._waiting: list[_Pending] = []

    def responses(self, calls: Sequence[Call], *, repeatable: bool, shareable: bool) -> list[Any]:
        """Return a response for each call, in order; `resultOf` of a reference is the index of a call among these.

        `repeatable`: the transport may repeat the request. `shareable`: the calls may share a request with others',
        and be sent again alone when that request failed and may have had an effect. Raises the request's fault.
        """
        pending = _Pending(calls, repeatable, is_alone=self._is_short_of_time() or not shareable)
        with self._lock:
            self._waiting.append(pending)
            self._wake_first()
        while not pending.is_answered:
            group = self._next_group(pending)
            if group:
                self._send_for(group)
        return pending.result()

    def _next_group(self, pending: _Pending) -> list[_Pending]:
        """Wait until this thread may send, and return the calls to send; empty if they were answered meanwhile."""
        left = remaining(float("inf"))
        in_time = pending.wake.wait(None if left == float("inf") else max(0.0, left))
        with self._lock:
            pending.wake.clear()
            if pending.is_answered:
                return []
            if self._free and self._waiting and self._waiting[0] is pending:
                return self._take_group(pending)
            if not in_time:
                self._time_out(pending)
            return []

    def _is_short_of_time(self) -> bool:
        """Return whether this thread has less time than a request: its deadline would end the others' calls too."""
        return remaining(self._call_seconds) < self._call_seconds

    def _wake_first(self) -> None:
        if self._free and self._waiting:
            self._waiting[0].wake.set()

    def _take_group(self, leader: _Pending) -> list[_Pending]:
        group = [leader]
        room = self._max_calls - len(leader.calls)
        for other in () if leader.is_alone or self._is_short_of_time() else self._waiting[1:]:
            if not other.is_alone and other.repeatable == leader.repeatable and len(other.calls) <= room:
                group.append(other)
                room -= len(other.calls)
        self._waiting = [one for one in self._waiting if one not in group]
        for one in group:
            one.is_sent = True
        self._free -= 1
        self._wake_first()
        return group

    def _time_out(self, pending: _Pending) -> None:
        pending.is_over = True
        if pending.is_sent:
            raise TemporaryError("timeout", "The attempt's deadline passed before the response.")
        self._waiting.remove(pending)
        self._wake_first()
        raise TemporaryError("timeout", "The attempt's deadline passed while it waited for a free request.")

    def _send_for(self, group: list[_Pending]) -> None:
        fault: Fault | None = None
        responses: list[Any] = []
        try:
            sent: list[list[Any]] = []
            for pending in group:
                sent += _invocations(pending.calls, len(sent))
            responses = self._send(sent, group[0].repeatable)
        except Fault as caught:
            fault = caught
        finally:
            with self._lock:
                self._free += 1
                self._settle(group, responses, fault)
                self._wake_first()

    def _settle(self, group: list[_Pending], responses: list[Any], fault: Fault | None) -> None:
        if fault is not None and len(group) > 1 and _may_be_of_one(fault):
            self._split(group, fault)
            return
        start = 0
        for pending in group:
            pending.fault = fault or (None if responses else TemporaryError("unexpected_answer", "The request broke."))
            pending.responses = responses[start : start + len(pending.calls)]
            pending.wake.set()
            start += len(pending.calls)

    def _split(self, group: list[_Pending], fault: Fault) -> None:
        """Queue each call alone at the front, so that one bad call or lost response does not fail the others."""
        if fault.reason == "invalid":
            # the server's limits may be set lower than its defaults: send half as many calls together from now on
            refused = sum(len(pending.calls) for pending in group)
            self._max_calls = min(self._max_calls, refused // 2)
            log.warning("jmap.sharing_refused", calls=refused, max_calls=self._max_calls)
        remaining_ones = [pending for pending in group if not pending.is_over]
        for pending in remaining_ones:
            pending.is_alone, pending.is_sent = True, False
        self._waiting = remaining_ones + self._waiting


def _may_be_of_one(fault: Fault) -> bool:
    """Return whether one call of a shared request may have caused the fault of all."""
    wait = fault.wait if isinstance(fault, TemporaryError) else None
    return fault.reason in _OF_THE_WHOLE or (fault.reason == "throttled" and (wait or 0.0) > SHORT_WAIT)


def _invocations(calls: Sequence[Call], start: int) -> list[list[Any]]:
    """Build invocations (RFC 8620, section 3.2) with ids from `start` on, and move references along with them."""
    return [
        [name, _shift_references(arguments, start), str(start + index)] for index, (name, arguments) in enumerate(calls)
    ]


def _shift_references(arguments: Object, start: int) -> Object:
    return {
        key: {**value, "resultOf": str(start + int(value["resultOf"]))} if key.startswith("#") else value
        for key, value in arguments.items()
    }
