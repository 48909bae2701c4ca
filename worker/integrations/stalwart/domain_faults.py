"""Collect the faults of single domains, so that one bad domain does not stop the tenant's others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.integrations.outcomes import BREAKER_REASON, Fault, PermanentError, TemporaryError
from shared.integrations.reasons import REASONS

#: refusals that hold for every domain
_OF_ALL = frozenset({BREAKER_REASON, "not_supported", "tls"})


class DomainFaults:
    """Faults by domain name, and faults of single changes."""

    def __init__(self) -> None:
        self.found: dict[str, Fault] = {}
        self._of_changes: list[Fault] = []

    @contextmanager
    def of(self, domain: str) -> Iterator[None]:
        """Collect a fault that concerns this domain only; raise others."""
        try:
            yield
        except Fault as fault:
            if not _concerns_one(fault):
                raise
            self.found.setdefault(domain, fault)

    @contextmanager
    def of_change(self) -> Iterator[None]:
        """Collect a permanent fault whose text names the object that it concerns; raise others."""
        try:
            yield
        except PermanentError as fault:
            if not _concerns_one(fault):
                raise
            self._of_changes.append(fault)

    def raise_found(self) -> None:
        """Raise one fault for all: a temporary one if any of them is temporary."""
        faults = [*self._of_changes, *self.found.values()]
        if not faults:
            return
        sentences = [f"{domain}: {_describe(fault)}" for domain, fault in self.found.items()]
        description = " ".join([*map(_describe, self._of_changes), *sentences])
        waiting = [fault for fault in faults if isinstance(fault, TemporaryError)]
        if waiting:
            raise TemporaryError(waiting[0].reason, description, wait=waiting[0].wait)
        raise PermanentError(faults[0].reason, description)


def _concerns_one(fault: Fault) -> bool:
    if isinstance(fault, TemporaryError):
        return fault.reason == "not_ready"
    return isinstance(fault, PermanentError) and fault.reason not in _OF_ALL


def _describe(fault: Fault) -> str:
    reason = REASONS.get(fault.reason)
    return fault.detail or (reason.message if reason else fault.reason)
