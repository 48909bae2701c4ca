"""Task and queue names: the whole contract between senders and workers."""

from __future__ import annotations

from shared.integrations.catalog import ACCESS, LONGEST_FIRST
from shared.workflows.model import WORKFLOWS, Action, integration_of

#: any step; senders of the release before this one use it for all
RUN_STEP = "dezky.run_step"
FINALIZE = "dezky.finalize"

#: the queue of messages that belong to no integration
CONTROL_QUEUE = "control"
QUEUES = (*LONGEST_FIRST, CONTROL_QUEUE)


def task_name(step: str, action: Action) -> str:
    """Return the task that runs a step of an action, such as `stalwart.suspend`; it is what Flower shows."""
    integration = integration_of(step, action)
    if integration is None:
        return RUN_STEP
    return f"{integration}.{ACCESS}.{action}" if step == ACCESS else f"{integration}.{action}"


#: one for each integration and action, and the one of any step
STEP_TASKS = frozenset(
    {task_name(step.name, action) for action, workflow in WORKFLOWS.items() for stage in workflow for step in stage}
    | {RUN_STEP}
)
