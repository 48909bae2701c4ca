"""The Celery tasks: a few lines each, because a message is only a hint and the runner decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Retry

from shared.messaging.queues import FINALIZE, STEP_TASKS
from worker.process_context import ProcessContext

log = structlog.get_logger(__name__)

ID = re.compile(r"[0-9a-f]{24}")
#: no step's name is longer, and no operation is dispatched more often
LONGEST_NAME, LARGEST_DISPATCH = 64, 2**31


class StepFailed(Exception):
    """Tells Celery, and so Flower, that a step failed. The outcome is on record before it is raised."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)

    def __str__(self) -> str:
        return ": ".join(self.args)


def register_tasks(app: Celery, desk: Callable[[], ProcessContext]) -> None:
    """Register every task of the contract. `desk` gives this process's tools, made on first use, after any fork."""
    for name in sorted(STEP_TASKS):
        _register_step(app, desk, name)

    @app.task(name=FINALIZE, shared=False)
    def finalize(*given: Any, **named: Any) -> str:
        """Settle the operation if the worker that closed it died before it could: operation id.

        This is a chord's body and a back-up: the worker that closes an operation settles it at once, and should this
        message be lost the scheduler settles it a few seconds later.
        """
        if named or len(given) != 1 or not _is_id(given[0]):
            return reject(FINALIZE, "arguments", given)
        (operation_id,) = given
        process = desk()
        operation = process.operations.find(operation_id)
        if operation is None or operation.is_open or operation.settled:
            # as nearly always: one read then, instead of a transaction that finds nothing
            return "nothing to do"
        return "settled" if process.settlement.settle(operation_id) else "nothing to do"


def _register_step(app: Celery, desk: Callable[[], ProcessContext], name: str) -> None:
    """Register a step's task under one of its names. All do the same: the operation on record says what to run."""

    @app.task(name=name, bind=True, max_retries=None, shared=False, throws=(StepFailed,))
    def run_step(self: Task[Any, Any], *given: Any, **named: Any) -> str:
        """Run one step of an operation if it is still to be run: operation id, step, dispatch."""
        if named or not _is_of_step(given):
            return reject(name, "arguments", given)
        shown = getattr(self.request, "argsrepr", None)
        operation_id, step, dispatch = given
        verdict = desk().runner.run(operation_id, step, dispatch, name, shown)
        if verdict.retry_in is not None:
            # a little late, so that the message does not arrive before the database's clock says it is due
            raise self.retry(countdown=verdict.retry_in + 0.05, argsrepr=shown)  # type: ignore[call-arg]
        if verdict.is_deferred:
            # no message: the scheduler sends the step again when it is due
            raise Retry
        if verdict.failure is not None:
            raise StepFailed(*verdict.failure)
        return verdict.said


def reject(task: Any, why: str, body: Any) -> str:
    """Log a message that no sender of ours has made. Its content cannot be trusted, so only its size is logged."""
    log.warning("broker.message_rejected", task=str(task)[:LONGEST_NAME], why=why, size=len(repr(body)))
    return "rejected"


def _is_of_step(given: Sequence[Any]) -> bool:
    if len(given) != 3:
        return False
    operation_id, step, dispatch = given
    is_name = isinstance(step, str) and len(step) <= LONGEST_NAME
    return _is_id(operation_id) and is_name and type(dispatch) is int and 0 <= dispatch < LARGEST_DISPATCH


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None
