"""Faulty workers: one whose step hangs for ever, one that dies of its step, one of an older build, one in a machine
that is suspended, where clocks stand still and a watchdog sees nothing, and one that stops as it gets a message."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from celery.signals import task_received

from shared.config.settings import read_settings
from shared.integrations.catalog import OCIS
from shared.integrations.outcomes import Outcome
from shared.workflows.model import Action
from worker.app import create_worker
from worker.execution.watchdog import Watchdog
from worker.integrations.registry import STEPS, Functions
from worker.integrations.step_context import StepContext


def _hang(step: StepContext, client: Any) -> Outcome:
    time.sleep(3600)
    raise AssertionError


def _die_of_poison(step: StepContext, client: Any) -> Outcome:
    if step.tenant.slug == "poison":
        # steps that run at the same time can end
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    return STEPS[Action.PROVISION][OCIS](step, client)


def _steps(kind: str) -> Mapping[Action, Functions]:
    if kind in _ODD:
        return {action: {**functions, OCIS: _ODD[kind]} for action, functions in STEPS.items()}
    if kind == "old":
        return {action: {name: one for name, one in known.items() if name != OCIS} for action, known in STEPS.items()}
    return STEPS


def _stop_at_second() -> None:
    """Send SIGTERM to itself between receiving its second message and starting it, while the first runs."""
    seen: list[Any] = []

    def received(request: Any, **_: Any) -> None:
        seen.append(request)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    task_received.connect(received, weak=False)


_ODD = {"hanging": _hang, "deadly": _die_of_poison}
kind = os.environ["FAULTY_WORKER"]
app = create_worker(read_settings(), _steps(kind), Watchdog(3600) if kind == "suspended" else None)
if kind == "stopped":
    _stop_at_second()
