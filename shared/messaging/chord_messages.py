"""A chord's messages as Celery itself would send them, ready for the broker's queues in one piece.

Celery's canvas costs a sender 2 to 3 ms of processor time a chord, eight round trips, and channels of results that it
never leaves. Here Celery's own protocol makes the messages (`as_task_v2`) and nothing else of it takes part.
A test holds them, field by field, to those that the canvas sends.
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

from shared.metrics.tracing import trace_headers


@dataclass(frozen=True)
class TaskCall:
    """One task to be run: its name, its arguments (ids and small numbers), the queue it waits in.

    `shown`: what Flower shows as its arguments, instead of these.
    """

    task: str
    args: tuple[str | int, ...]
    queue: str
    shown: str | None = None


@dataclass(frozen=True)
class QueuedMessage:
    """A message for the end of a queue."""

    queue: str
    text: str


def chord_letters(app: Celery, header: Sequence[TaskCall], body: TaskCall) -> list[QueuedMessage]:
    """The header's messages, each with the body's signature inside, as a chord that ChordCounterBackend joins."""
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
        _letter(app, call, task_id, group_id=group, group_index=index, chord=signature)
        for index, (call, task_id) in enumerate(zip(header, ids, strict=True))
    ]


def lone_letter(app: Celery, call: TaskCall) -> QueuedMessage:
    """A message that no chord waits for."""
    return _letter(app, call, *_new_ids(1))


def body_letter(app: Celery, chord: Mapping[str, Any], parent: str, root: str) -> QueuedMessage:
    """The message of a chord's body, from the signature that its parts carried. `parent`, `root`: task ids."""
    options = chord["options"]
    call = TaskCall(chord["task"], tuple(chord["args"]), options["queue"])
    return _letter(app, call, options["task_id"], group_id=options.get("group_id"), parent_id=parent, root_id=root)


def _letter(app: Celery, call: TaskCall, task_id: str, **of_task: Any) -> QueuedMessage:
    message = app.amqp.as_task_v2(
        task_id,
        call.task,
        call.args,
        {},
        # given, because Celery's own way of writing them is most of what a message costs
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
    """As `uuid4` makes them, of one look at the system's randomness: each lets other threads go first."""
    random = os.urandom(16 * count)
    return [str(uuid.UUID(bytes=random[at : at + 16], version=4)) for at in range(0, len(random), 16)]
