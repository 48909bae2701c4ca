"""Clients on several threads, who carry out the scripts over HTTP and let nothing rest that has not been answered."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.chaos.journal import Journal
from tools.chaos.requesting import Caller, Errand, given_up
from tools.chaos.scripts import AT_ONCE, Script

#: a lost or postponed request is sent again after so long, and so long at most, in seconds
AGAIN, AGAIN_AT_MOST = 0.2, 2.0
#: how long a patient client waits for a tenant's operation before it asks for the next thing all the same
PATIENCE = 20.0


@dataclass
class Course:
    """How far a script is. `open`: requests of the present wish that have no answer yet."""

    script: Script
    index: int = 0
    open: int = 0
    patient_until: float = 0.0


class Clients:
    """`busy` threads at most; each takes whatever is due next."""

    def __init__(self, caller: Caller, journal: Journal, scripts: tuple[Script, ...], threads: int) -> None:
        self._caller = caller
        self._journal = journal
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
            course = Course(script)
            self._at(script.begins, lambda course=course: self._turn_to(course))  # type: ignore[misc]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """No new wish is begun any more; what was sent is sent until it is answered."""
        with self._changed:
            self._no_more = True

    def give_up(self) -> None:
        """What is not answered at its next try is entered as unclear."""
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

    # -- a tenant's course

    def _turn_to(self, course: Course) -> None:
        """The script's next wish, now or when the tenant's operation has ended."""
        if self._no_more or course.index >= len(course.script.wishes):
            return
        wish = course.script.wishes[course.index]
        if (
            wish.is_patient
            and time.monotonic() < course.patient_until
            and self._caller.is_busy(course.script.slug) is not False
        ):
            self._at(0.5, lambda: self._turn_to(course))
            return
        slug = course.script.slug
        moves = AT_ONCE.get(wish.move, (wish.move,))
        course.open = len(moves)
        for part, move in enumerate(moves):
            errand = Errand(slug, move, f"{slug}-{course.index}-{part}", wish.body)
            self._at(0, lambda errand=errand: self._send(course, errand))  # type: ignore[misc]

    def _send(self, course: Course, errand: Errand) -> None:
        entry = self._caller.send(errand)
        if entry is None and self._given_up:
            entry = given_up(errand)
        if entry is None:
            self._at(min(AGAIN_AT_MOST, AGAIN * errand.tries), lambda: self._send(course, errand))
            return
        self._journal.add(entry)
        with self._changed:
            course.open -= 1
            is_last = course.open == 0
        if is_last:
            self._go_on(course)

    def _go_on(self, course: Course) -> None:
        course.index += 1
        if course.index < len(course.script.wishes):
            after = course.script.wishes[course.index].after
            course.patient_until = time.monotonic() + after + PATIENCE
            self._at(after, lambda: self._turn_to(course))
