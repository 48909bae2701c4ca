"""The three meanings an outside fault can have, and the outcome of a step. Never names a product's status code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.integrations.reasons import REASONS


class Fault(Exception):
    """An outside system did not do as asked. `reason` is a key of REASONS; `detail` is one safe sentence of our own.

    `detail` never repeats what the outside system sent: its text may hold secrets or other tenants' names.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class TemporaryError(Fault):
    """Later may work. `wait`: seconds the outside system asked for, if it did."""

    def __init__(self, reason: str, detail: str = "", *, wait: float | None = None) -> None:
        super().__init__(reason, detail)
        self.wait = wait


class PermanentError(Fault):
    """Never will, as things stand."""


class NotFound(Fault):
    """What was asked for is not there. A step that was told it is there begins anew: its next attempt looks first."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("missing", detail)


#: the refusal that is no tenant's doing, and that some products ban for when repeated: it stops all steps at once.
#: A missing permission may be one object's affair, so it ends that step only.
BREAKER_REASON = "bad_credentials"


class Result(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    SKIPPED = "skipped"
    ERROR = "error"
    RETRY = "retry"


@dataclass(frozen=True)
class Outcome:
    """An attempt's end. `notes`: small facts worth showing on the operation (such as `members: pending`).

    `changes`: sentences on what was done outside, or in a plan would be. `found`: remote fields of the tenant that are
    put on its record along with the attempt's end.
    """

    result: Result
    reason: str | None = None
    message: str | None = None
    wait: float | None = None
    notes: dict[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def remedy(self) -> str | None:
        return REASONS[self.reason].remedy or None if self.reason else None

    @property
    def retryable(self) -> bool:
        return REASONS[self.reason].retryable if self.reason else False


def ok(**notes: str) -> Outcome:
    """The outside system is as wanted."""
    return Outcome(Result.OK, notes=notes)


def skipped(reason: str, **notes: str) -> Outcome:
    """There was nothing to do, for a reason of the catalogue."""
    return Outcome(Result.SKIPPED, reason, sentence(reason), notes=notes)


def failed(fault: Fault) -> Outcome:
    """What a fault means for the attempt: PermanentError ends the step, all else asks for another.

    NotFound gets here only when something vanished within the attempt.
    """
    if isinstance(fault, NotFound):
        return Outcome(Result.RETRY, "vanished", sentence("vanished", fault.detail))
    reason = fault.reason if fault.reason in REASONS else "unexpected_answer"
    message = sentence(reason, fault.detail)
    if isinstance(fault, PermanentError):
        return Outcome(Result.ERROR, reason, message)
    return Outcome(Result.RETRY, reason, message, fault.wait if isinstance(fault, TemporaryError) else None)


def sentence(reason: str, detail: str = "") -> str:
    """The catalogue's sentence, with the particular one behind it."""
    return f"{REASONS[reason].message} {detail}".strip()
