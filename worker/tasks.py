"""The Celery tasks: a few lines each, because a message is only a hint and all sense is in the runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery, Task

from shared.control_plane.settlement import settle
from shared.dispatch.names import FINALIZE, RUN_STEP
from worker.desk import Desk


def register_tasks(app: Celery, desk: Callable[[], Desk]) -> None:
    """Register every task of the contract. `desk` gives this process's tools, made on first use, after any fork."""

    @app.task(name=RUN_STEP, bind=True, max_retries=None, shared=False)
    def run_step(self: Task[Any, Any], operation_id: str, step: str, dispatch: int) -> str:
        """Run one step of an operation if it is still to be run."""
        verdict = desk().runner.run(operation_id, step, dispatch)
        if verdict.retry_in is not None:
            # a little late, so that the message does not arrive before the database's clock says it is due
            raise self.retry(countdown=verdict.retry_in + 0.05)
        return verdict.said

    @app.task(name=FINALIZE, shared=False)
    def finalize(operation_id: str) -> str:
        """A chord's body: settle the operation, if whoever closed it has not."""
        return "settled" if settle(desk().store, operation_id) else "nothing to do"
