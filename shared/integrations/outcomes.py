"""Faults of integrations (temporary, permanent, not found) and outcomes of attempts; no product's status codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.integrations.reasons import REASONS, reason_of


class Fault(Exception):
    """A call of an integration failed. `reason` is a key of REASONS; `detail` is one sentence written by us.

    `detail` never repeats the integration's response, which may contain secrets or other tenants' names.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class TemporaryError(Fault):
    """A retry may succeed. `wait`: seconds until then, if the integration named them."""

    def __init__(self, reason: str, detail: str = "", *, wait: float | None = None) -> None:
        super().__init__(reason, detail)
        self.wait = wait


class PermanentError(Fault):
    """A retry cannot succeed until somebody changes something."""


class NotFound(Fault):
    """The requested object does not exist. Within an attempt it means that the object has just been removed."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("missing", detail)


#: opens the circuit breaker at the first occurrence: it concerns all tenants, and some products ban clients that
#: repeat it. A missing permission may concern one object only, so it fails only that step.
BREAKER_REASON = "bad_credentials"
#: a dry run left the integration out
NOT_CHECKED = "not_checked"


class Result(StrEnum):
    """The result of an attempt."""

    OK = "ok"
    SKIPPED = "skipped"
    ERROR = "error"
    RETRY = "retry"


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attempt.

    `wait`: seconds until the next attempt, if the integration named them. `notes`: facts shown on the operation, such
    as `members: pending`. `changes`: sentences about changes in the integration; in a dry run, those it would make.
    `found`: remote fields of the tenant to save together with the outcome. `cause`: the reason of the last failure, for
    a step without attempts left.
    """

    result: Result
    reason: str | None = None
    message: str | None = None
    wait: float | None = None
    notes: dict[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)
    cause: str | None = None

    @property
    def remedy(self) -> str | None:
        return reason_of(self.reason).remedy_while_open or None if self.reason else None

    @property
    def retryable(self) -> bool:
        return reason_of(self.reason).retryable if self.reason else False


def ok(**notes: str | None) -> Outcome:
    """Return the outcome of a step whose integration is in the desired state. Notes without a text are left out."""
    return Outcome(Result.OK, notes=_with_text(notes))


def skipped(reason: str, **notes: str | None) -> Outcome:
    """Return the outcome of a step that had nothing to do, for a reason of the catalogue. `notes`: see `ok`."""
    return Outcome(Result.SKIPPED, reason, reason_message(reason), notes=_with_text(notes))


def left_out(cause: str) -> Outcome:
    """Return the outcome of a dry run's step whose integration is paused or has an open breaker.

    Such a step does not wait: the dry run's other results would wait with it, and so would changes of the tenant.
    """
    return Outcome(Result.SKIPPED, NOT_CHECKED, reason_message(NOT_CHECKED, cause))


def failed(fault: Fault) -> Outcome:
    """Return the outcome of a failed attempt: PermanentError fails the step, any other fault means a retry.

    A NotFound that reaches this function means that an object vanished during the attempt.
    """
    if isinstance(fault, NotFound):
        return Outcome(Result.RETRY, "vanished", reason_message("vanished", fault.detail))
    reason = fault.reason if fault.reason in REASONS else "unexpected_answer"
    message = reason_message(reason, fault.detail)
    if isinstance(fault, PermanentError):
        return Outcome(Result.ERROR, reason, message)
    return Outcome(Result.RETRY, reason, message, fault.wait if isinstance(fault, TemporaryError) else None)


def _with_text(notes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in notes.items() if text}


def reason_message(reason: str, detail: str = "") -> str:
    """Return the catalogue's sentence followed by the detail."""
    return f"{reason_of(reason).message} {detail}".strip()
