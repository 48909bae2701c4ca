"""What the clients asked for and were answered: their own book, which the platform's records are held against."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: unclear: an answer was lost and no later one said what became of the request
Answered = Literal["accepted", "refused", "unclear"]


@dataclass(frozen=True)
class Entry:
    """One request, however often it was sent. `operation`: the id in the answer, None when there was none."""

    slug: str
    move: str
    request_id: str
    answered: Answered
    status: int
    code: str | None = None
    operation: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        #: answers that no client should ever get: one sentence each
        self.shocks: list[str] = []
        self.lost_answers = 0
        self.requests = 0

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def count_request(self, *, was_lost: bool) -> None:
        with self._lock:
            self.requests += 1
            self.lost_answers += was_lost

    def note_shock(self, sentence: str) -> None:
        with self._lock:
            self.shocks.append(sentence)

    @property
    def entries(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)

    def summary(self) -> Counter[tuple[str, str]]:
        """How many requests, by move and answer."""
        return Counter(
            (one.move, one.answered if one.code is None else f"{one.answered}: {one.code}") for one in self.entries
        )
