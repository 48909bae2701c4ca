"""Log requests and responses of clients; the platform's records are compared with it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: unclear: an answer was lost, and no later answer said whether the request was carried out
Answered = Literal["accepted", "refused", "unclear"]


@dataclass(frozen=True)
class LoggedRequest:
    """One request, however often it was sent. `operation`: the id of the operation in the answer, or None."""

    slug: str
    kind: str
    request_id: str
    answered: Answered
    status: int
    code: str | None = None
    operation: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


class RequestLog:
    """The log of one run. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LoggedRequest] = []
        #: a sentence for each answer that shows a bug, such as a 500
        self.server_errors: list[str] = []
        self.lost_responses = 0
        self.requests = 0

    def add(self, entry: LoggedRequest) -> None:
        with self._lock:
            self._entries.append(entry)

    def count_request(self, *, was_lost: bool) -> None:
        with self._lock:
            self.requests += 1
            self.lost_responses += was_lost

    def note_server_error(self, sentence: str) -> None:
        with self._lock:
            self.server_errors.append(sentence)

    @property
    def entries(self) -> list[LoggedRequest]:
        with self._lock:
            return list(self._entries)

    def summary(self) -> Counter[tuple[str, str]]:
        """Count the requests by kind and answer."""
        return Counter(
            (one.kind, one.answered if one.code is None else f"{one.answered}: {one.code}") for one in self.entries
        )
