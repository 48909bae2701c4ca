"""Make a change and name it in its fault, so that a person knows which object to correct."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shared.integrations.outcomes import BREAKER_REASON, PermanentError
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.domain_faults import repeat_refused
from worker.integrations.stalwart.protocol.answers import KeyTaken, ReferenceRefused
from worker.integrations.step_context import StepContext


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
