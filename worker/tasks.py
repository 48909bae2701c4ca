"""The Celery tasks: a few lines each, because a message is only a hint and all sense is in the runner."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from celery import Celery, Task

from shared.messaging.queues import FINALIZE, RUN_STEP
from shared.provisioning.settlement import settle
from worker.process_context import Desk

log = structlog.get_logger(__name__)

ID = re.compile(r"[0-9a-f]{24}")
#: no step's name is longer, and no operation is dispatched more often
LONGEST_NAME, LARGEST_DISPATCH = 64, 2**31


def register_tasks(app: Celery, desk: Callable[[], Desk]) -> None:
    """Register every task of the contract. `desk` gives this process's tools, made on first use, after any fork."""

    @app.task(name=RUN_STEP, bind=True, max_retries=None, shared=False)
    def run_step(self: Task[Any, Any], *given: Any, **named: Any) -> str:
        """Run one step of an operation if it is still to be run: operation id, step, dispatch."""
        if named or not _is_of_step(given):
            return reject(RUN_STEP, "arguments", given)
        verdict = desk().runner.run(*given)
        if verdict.retry_in is not None:
            # a little late, so that the message does not arrive before the database's clock says it is due
            raise self.retry(countdown=verdict.retry_in + 0.05)
        return verdict.said

    @app.task(name=FINALIZE, shared=False)
    def finalize(*given: Any, **named: Any) -> str:
        """A chord's body: settle the operation, if whoever closed it has not: operation id."""
        if named or len(given) != 1 or not _is_id(given[0]):
            return reject(FINALIZE, "arguments", given)
        (operation_id,) = given
        store = desk().store
        operation = store.operations.find(operation_id)
        if operation is None or operation.is_open or operation.settled:
            # as nearly always: one read then, instead of a transaction that finds nothing
            return "nothing to do"
        return "settled" if settle(store, operation_id) else "nothing to do"


def reject(task: Any, why: str, body: Any) -> str:
    """Note a message that no sender of ours has made; what is in it is nobody's to trust, so only its size is told."""
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
