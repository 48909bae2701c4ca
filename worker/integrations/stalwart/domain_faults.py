"""Collect the faults of single domains, so that one bad domain does not stop the tenant's others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.integrations.outcomes import BREAKER_REASON, Fault, PermanentError, TemporaryError
from shared.integrations.reasons import REASONS

#: refusals that hold for every domain
_OF_ALL = frozenset({BREAKER_REASON, "not_supported", "tls"})


class DomainFaults:
    """Faults by domain name."""

    def __init__(self) -> None:
        self.found: dict[str, Fault] = {}

    @contextmanager
    def of(self, domain: str) -> Iterator[None]:
        """Collect a fault that concerns this domain only; raise others."""
        try:
            yield
        except Fault as fault:
            if not _concerns_one(fault):
                raise
            self.found.setdefault(domain, fault)

    def raise_found(self) -> None:
        """Raise one fault for all: a temporary one if any of them is temporary."""
        if not self.found:
            return
        description = " ".join(f"{domain}: {_describe(fault)}" for domain, fault in self.found.items())
        waiting = [fault for fault in self.found.values() if isinstance(fault, TemporaryError)]
        if waiting:
            raise TemporaryError(waiting[0].reason, description, wait=waiting[0].wait)
        raise PermanentError(next(iter(self.found.values())).reason, description)


def _concerns_one(fault: Fault) -> bool:
    if isinstance(fault, TemporaryError):
        return fault.reason == "not_ready"
    return isinstance(fault, PermanentError) and fault.reason not in _OF_ALL


def _describe(fault: Fault) -> str:
    reason = REASONS.get(fault.reason)
    return fault.detail or (reason.message if reason else fault.reason)
