"""Clients: threads that send the scripts' requests, each again and again until it has a definite answer."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.chaos.load.caller import Caller, ClientRequest, given_up
from tools.chaos.load.members import Members
from tools.chaos.load.request_log import RequestLog
from tools.chaos.load.scripts import CONCURRENT_PAIRS, Script

#: seconds until a request without a definite answer is sent again: the first time, and at most
RETRY_SECONDS, MAX_RETRY_SECONDS = 0.2, 2.0
#: seconds for which a patient client waits for a tenant's operation before it sends its next request anyway
MAX_OPERATION_WAIT = 20.0


@dataclass
class Progress:
    """The progress of a script. `open`: how many requests of its present step have no definite answer yet."""

    script: Script
    index: int = 0
    open: int = 0
    wait_until: float = 0.0


class Clients:
    """Threads that each run the next due request."""

    def __init__(
        self, caller: Caller, log: RequestLog, members: Members, scripts: tuple[Script, ...], threads: int
    ) -> None:
        self._caller = caller
        self._log = log
        self._members = members
        self._scripts = scripts
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._changed = threading.Condition()
        self._working = 0
        self._no_more = False
        self._given_up = False
        self._ended = False
        self._threads = [threading.Thread(target=self._work, name=f"client {n}", daemon=True) for n in range(threads)]

    def start(self) -> None:
        for script in self._scripts:
            progress = Progress(script)
            self._at(script.begins, lambda progress=progress: self._continue(progress))  # type: ignore[misc]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Begin no new request; repeat those that have no answer yet."""
        with self._changed:
            self._no_more = True

    def give_up(self) -> None:
        """Log a request as unclear when its next try has no definite answer."""
        with self._changed:
            self._given_up = True

    def is_done(self) -> bool:
        with self._changed:
            return not self._due and not self._working

    def join(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(30)

    # -- the threads

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        with self._changed:
            self._number += 1
            heapq.heappush(self._due, (time.monotonic() + seconds, self._number, act))
            self._changed.notify()

    def _work(self) -> None:
        while (act := self._next()) is not None:
            try:
                act()
            finally:
                with self._changed:
                    self._working -= 1

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._ended:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    self._working += 1
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
            return None

    # -- one script

    def _continue(self, progress: Progress) -> None:
        """Send the script's next request, now or when the tenant's operation has ended."""
        if self._no_more or progress.index >= len(progress.script.requests):
            return
        request = progress.script.requests[progress.index]
        slug = progress.script.slug
        if request.is_patient:
            state = self._caller.tenant(slug)
            if time.monotonic() < progress.wait_until and (state is None or state.is_busy):
                self._at(0.5, lambda: self._continue(progress))
                return
            if state is not None and not state.is_busy:
                self._members.join(slug, state)
        kinds = CONCURRENT_PAIRS.get(request.kind, (request.kind,))
        progress.open = len(kinds)
        for part, kind in enumerate(kinds):
            sent = ClientRequest(slug, kind, f"{slug}-{progress.index}-{part}", request.body)
            self._at(0, lambda sent=sent: self._send(progress, sent))  # type: ignore[misc]

    def _send(self, progress: Progress, request: ClientRequest) -> None:
        entry = self._caller.send(request)
        if entry is None and self._given_up:
            entry = given_up(request)
        if entry is None:
            self._at(min(MAX_RETRY_SECONDS, RETRY_SECONDS * request.tries), lambda: self._send(progress, request))
            return
        self._log.add(entry)
        with self._changed:
            progress.open -= 1
            is_last = progress.open == 0
        if is_last:
            self._advance(progress)

    def _advance(self, progress: Progress) -> None:
        progress.index += 1
        if progress.index < len(progress.script.requests):
            after = progress.script.requests[progress.index].after
            progress.wait_until = time.monotonic() + after + MAX_OPERATION_WAIT
            self._at(after, lambda: self._continue(progress))
