"""Cache facts about the server and our account: edition, permissions, account id."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from shared.integrations.outcomes import TemporaryError
from worker.integrations.stalwart.protocol.jmap import Jmap

#: lifetime of cached facts, in seconds
FACTS_SECONDS = 300.0


@dataclass(frozen=True)
class Facts:
    """`edition`: `oss`, `community` or `enterprise`, which means built with it and licensed."""

    edition: str
    permissions: frozenset[str]
    expires_at: float


class ServerFacts:
    """Caches the facts of one server; safe to share between threads."""

    def __init__(self, jmap: Jmap) -> None:
        self._jmap = jmap
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._own_account: str | None = None

    @property
    def edition(self) -> str:
        return self._current().edition

    def read_edition(self) -> str:
        """Ask the server for its edition, and cache the facts that it returns."""
        with self._lock:
            self._facts = self._read()
            return self._facts.edition

    def may(self, permissions: frozenset[str]) -> bool:
        """Return whether our account holds all of these permissions."""
        return permissions <= self._current().permissions

    def missing(self, permissions: frozenset[str]) -> list[str]:
        """Ask the server which of these permissions our account lacks: one may have been given since the last read."""
        self.read_edition()
        return sorted(permissions - self._current().permissions)

    def own_account(self) -> str:
        """Return the id of the account of our credentials. Raises TemporaryError when the session lacks it."""
        with self._lock:
            if self._own_account is None:
                self._own_account = self._jmap.own_account()
            return self._own_account

    def _current(self) -> Facts:
        with self._lock:
            if self._facts is None or self._facts.expires_at < time.monotonic():
                self._facts = self._read()
            return self._facts

    def _read(self) -> Facts:
        answer = self._jmap.account()
        edition, permissions = answer.get("edition"), answer.get("permissions")
        if not isinstance(edition, str) or not isinstance(permissions, list):
            raise TemporaryError("unexpected_answer", "The account's edition and permissions have another shape.")
        return Facts(edition, frozenset(map(str, permissions)), time.monotonic() + FACTS_SECONDS)
