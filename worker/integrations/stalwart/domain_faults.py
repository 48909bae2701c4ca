"""Faults of single domains and changes: collected, so that one bad domain does not stop the tenant's others, and named,
so that a person knows which object to correct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from shared.integrations.outcomes import BREAKER_REASON, Fault, PermanentError, TemporaryError
from shared.integrations.reasons import REASONS
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.smtp_probe import NotProvenError
from worker.integrations.stalwart.protocol.answers import KeyTaken, ReferenceRefused
from worker.integrations.step_context import StepContext

#: refusals that hold for every domain
_OF_ALL = frozenset({BREAKER_REASON, "not_supported", "tls"})

T = TypeVar("T")


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
        """Collect a permanent fault, or a missing proof, whose text names what it concerns; raise others."""
        try:
            yield
        except (PermanentError, NotProvenError) as fault:
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


def repeat_refused(act: Callable[[], T]) -> T:
    """Act, and once more when a reference is refused: its target may have been deleted between two calls.

    Raises PermanentError("invalid") when it is refused again, because somebody must correct the reference. If its
    target is a mail tenant, the fault stays temporary: the next attempt ensures the mail tenant first.
    """
    with suppress(ReferenceRefused):
        return act()
    try:
        return act()
    except ReferenceRefused as refusal:
        if refusal.kind == "Tenant":
            raise
        raise PermanentError("invalid", f"Stalwart refuses the change. {refusal.detail}") from None


def _concerns_one(fault: Fault) -> bool:
    if isinstance(fault, TemporaryError):
        return fault.reason == "not_ready"
    return isinstance(fault, PermanentError) and fault.reason not in _OF_ALL


def _describe(fault: Fault) -> str:
    reason = REASONS.get(fault.reason)
    return fault.detail or (reason.message if reason else fault.reason)


def named_change(step: StepContext, stalwart: StalwartClient, sentence: str, act: Callable[[], None]) -> None:
    """Make a change, and once more after a refused reference, which may have been deleted meanwhile.

    A permanent fault names the change, and for an address that is in use by now also its holder.
    """
    try:
        step.change(sentence, partial(repeat_refused, act), None)
    except KeyTaken as taken:
        holder = stalwart.contents.describe(taken.kind, taken.id)
        raise PermanentError("taken", f"Could not {sentence}: {holder} has an address of it now.") from None
    except ReferenceRefused as refusal:
        raise PermanentError("invalid", f"Could not {sentence}. {refusal.detail}") from None
    except PermanentError as refusal:
        if refusal.reason == BREAKER_REASON:
            raise
        raise PermanentError(refusal.reason, f"Could not {sentence}. {refusal.detail}".strip()) from None
