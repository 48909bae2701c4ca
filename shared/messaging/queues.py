"""Names of tasks and queues: the contract between publishers and workers."""

from __future__ import annotations

from shared.integrations.catalog import ACCESS, INTEGRATIONS
from shared.workflows.model import WORKFLOWS, Action, integration_of

#: runs any step; publishers of the previous release use it for all steps
RUN_STEP = "dezky.run_step"
FINALIZE = "dezky.finalize"

#: queue of messages that belong to no integration
CONTROL_QUEUE = "control"
QUEUES = (*INTEGRATIONS, CONTROL_QUEUE)


def task_name(step: str, action: Action) -> str:
    """Return the task that runs a step of an action, such as `stalwart.suspend`; it is what Flower shows."""
    integration = integration_of(step, action)
    if integration is None:
        return RUN_STEP
    return f"{integration}.{ACCESS}.{action}" if step == ACCESS else f"{integration}.{action}"


#: all task names: one per integration and action, and the one for any step
STEP_TASKS = frozenset(
    {task_name(step.name, action) for action, workflow in WORKFLOWS.items() for stage in workflow for step in stage}
    | {RUN_STEP}
)
