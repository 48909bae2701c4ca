"""Names of tasks and queues, and the messages of a chord in Celery's format, which one Redis command publishes.

Celery's canvas needs 2 to 3 ms of CPU time and eight round trips per chord, and leaves subscriptions to result channels
open. This module uses only Celery's protocol (`as_task_v2`). A test compares the messages with those of the canvas.
"""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery

from shared.integrations.catalog import ACCESS, INTEGRATIONS
from shared.metrics.tracing import trace_headers
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


@dataclass(frozen=True)
class TaskCall:
    """A task to publish: name, arguments (ids and small numbers) and queue.

    `shown`: the text that Flower shows instead of the arguments.
    """

    task: str
    args: tuple[str | int, ...]
    queue: str
    shown: str | None = None


@dataclass(frozen=True)
class QueuedMessage:
    """A message to append to a queue."""

    queue: str
    text: str


def make_chord_messages(app: Celery, header: Sequence[TaskCall], body: TaskCall) -> list[QueuedMessage]:
    """Return the messages of the header's tasks. Each carries the body's signature, for ChordCounterBackend."""
    group, body_id, *ids = _new_ids(2 + len(header))
    signature = {
        "task": body.task,
        "args": list(body.args),
        "kwargs": {},
        "options": {"queue": body.queue, "task_id": body_id, "group_id": group},
        "subtask_type": None,
        "immutable": True,
        "chord_size": len(header),
    }
    return [
        _message(app, call, task_id, group_id=group, group_index=index, chord=signature)
        for index, (call, task_id) in enumerate(zip(header, ids, strict=True))
    ]


def make_message(app: Celery, call: TaskCall) -> QueuedMessage:
    """Return the message of a task outside a chord."""
    return _message(app, call, *_new_ids(1))


def make_body_message(app: Celery, chord: Mapping[str, Any], parent: str, root: str) -> QueuedMessage:
    """Return the message of a chord's body from the signature in its tasks. `parent`, `root`: task ids."""
    options = chord["options"]
    call = TaskCall(chord["task"], tuple(chord["args"]), options["queue"])
    return _message(app, call, options["task_id"], group_id=options.get("group_id"), parent_id=parent, root_id=root)


def _message(app: Celery, call: TaskCall, task_id: str, **of_task: Any) -> QueuedMessage:
    message = app.amqp.as_task_v2(
        task_id,
        call.task,
        call.args,
        {},
        # given, because Celery's formatting of them takes most of the time per message
        argsrepr=call.shown or repr(call.args),
        kwargsrepr="{}",
        **of_task,
    )
    properties = {
        **message.properties,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": call.queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": task_id,
    }
    text = json.dumps(
        {
            "body": base64.b64encode(json.dumps(message.body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {**message.headers, **trace_headers()},
            "properties": properties,
        }
    )
    return QueuedMessage(call.queue, text)


def _new_ids(count: int) -> list[str]:
    """Return UUIDs (version 4) from one call of `os.urandom`, because each call releases the GIL."""
    random = os.urandom(16 * count)
    return [str(uuid.UUID(bytes=random[at : at + 16], version=4)) for at in range(0, len(random), 16)]
