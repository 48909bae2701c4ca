"""Celery tasks. A message is only a hint; the database decides whether there is work (see runner)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Retry

from shared.messaging.chord_backend import NEEDS_NO_BODY
from shared.messaging.messages import FINALIZE, STEP_TASKS
from worker.process_context import ProcessContext

log = structlog.get_logger(__name__)

ID = re.compile(r"[0-9a-f]{24}")
#: limits of valid arguments: length of a step's name, number of an operation's dispatches
MAX_NAME_LENGTH, MAX_DISPATCH = 64, 2**31


class StepFailed(Exception):
    """Report to Celery, and so to Flower, that a step failed. The outcome was recorded before this is raised."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)

    def __str__(self) -> str:
        return ": ".join(self.args)


def register_tasks(app: Celery, contexts: Callable[[], ProcessContext]) -> None:
    """Register all tasks. `contexts` returns this process's context, made on first use, after any fork."""
    for name in sorted(STEP_TASKS):
        _register_step(app, contexts, name)

    @app.task(name=FINALIZE, shared=False)
    def finalize(*given: Any, **named: Any) -> str:
        """Settle the operation if the worker that closed it died before it could. Argument: operation id.

        This is the chord's body, and only a second chance: the worker that closes an operation settles it at once, and
        if this message is lost the scheduler settles it a few seconds later.
        """
        if named or len(given) != 1 or not _is_id(given[0]):
            return reject(FINALIZE, "arguments", given)
        (operation_id,) = given
        process = contexts()
        operation = process.operations.find(operation_id)
        if operation is None or operation.is_open or operation.settled:
            # the usual case: one read instead of a transaction that changes nothing
            return "nothing to do"
        return "settled" if process.settlement.settle(operation_id) else "nothing to do"


def _register_step(app: Celery, contexts: Callable[[], ProcessContext], name: str) -> None:
    """Register the step task under one of its names. All behave the same: the recorded operation says what to run."""

    @app.task(name=name, bind=True, max_retries=None, shared=False, throws=(StepFailed,))
    def run_step(self: Task[Any, Any], *given: Any, **named: Any) -> str:
        """Run one step of an operation if it is still open. Arguments: operation id, step name, dispatch number."""
        if named or not _are_step_arguments(given):
            return reject(name, "arguments", given)
        args_shown = getattr(self.request, "argsrepr", None)
        operation_id, step, dispatch = given
        result = contexts().runner.run(operation_id, step, dispatch, name, args_shown)
        self.request.update({NEEDS_NO_BODY: result.has_ended})
        failure = StepFailed(*result.failure) if result.failure is not None else None
        if result.retry_in is not None:
            # slightly late, so that the message does not arrive before the step is due by the database's clock
            later = result.retry_in + 0.05
            raise self.retry(exc=failure, countdown=later, argsrepr=args_shown)  # type: ignore[call-arg]
        if result.is_deferred:
            # no message: the scheduler publishes the step again when it is due
            raise Retry(exc=failure)
        if failure is not None:
            raise failure
        return result.summary


def reject(task: Any, why: str, body: Any) -> str:
    """Log a message that the platform did not publish. Its content cannot be trusted, so only its size is logged."""
    log.warning("broker.message_rejected", task=str(task)[:MAX_NAME_LENGTH], why=why, size=len(repr(body)))
    return "rejected"


def _are_step_arguments(given: Sequence[Any]) -> bool:
    if len(given) != 3:
        return False
    operation_id, step, dispatch = given
    is_name = isinstance(step, str) and len(step) <= MAX_NAME_LENGTH
    return _is_id(operation_id) and is_name and type(dispatch) is int and 0 <= dispatch < MAX_DISPATCH


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None
