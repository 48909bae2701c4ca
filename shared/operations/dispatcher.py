"""Publish an operation's open steps as a Celery chord. Messages carry ids only; nothing waits for a result."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import redis
import structlog
from celery import Celery

from shared.config.addresses import BrokerAddress
from shared.messaging.celery_app import make_celery
from shared.messaging.high_water_mark import HighWaterMark
from shared.messaging.messages import (
    CONTROL_QUEUE,
    FINALIZE,
    QUEUES,
    QueuedMessage,
    TaskCall,
    make_chord_messages,
    make_message,
    task_name,
)
from shared.messaging.redis_client import connect
from shared.operations.model import Operation, StepRecord
from shared.workflows.model import INTEGRATION_OF_STEP, integration_of

log = structlog.get_logger(__name__)

#: socket and connect timeouts in seconds; short, because HTTP requests wait for them
SOCKET_TIMEOUT, CONNECT_TIMEOUT = 1.0, 0.7

#: a queue of this length is full: its messages are late, not lost, and publishing them again would lengthen it
FULL_QUEUE = 100


class Dispatcher:
    """Publishes messages to Redis in Celery's format. One per process; safe to share between threads."""

    def __init__(self, broker: BrokerAddress, app: Celery | None = None) -> None:
        """`app`: the Celery app that encodes the messages; the default is an app that only publishes."""
        self._app = app or make_celery(broker, "sender")
        self._redis = connect(broker, socket_timeout=SOCKET_TIMEOUT, connect_timeout=CONNECT_TIMEOUT)
        self.high_water_mark = HighWaterMark(self._redis)

    def publish(self, operation: Operation) -> bool:
        """Publish the operation's latest dispatch as one chord. Return False when the broker did not accept it."""
        return self.publish_all([operation]) is not None

    def publish_all(self, operations: Sequence[Operation], excluded_queues: Collection[str] = ()) -> int | None:
        """Publish several operations in one round trip; return how many had a step to publish.

        Return None when the broker did not accept them. `excluded_queues`: skip steps of these queues.
        """
        started = time.monotonic()
        chords = [(operation, _steps_to_publish(operation, excluded_queues)) for operation in operations]
        chords = [(operation, steps) for operation, steps in chords if steps]
        try:
            self._push([message for operation, steps in chords for message in self._chord(operation, steps)])
        except (redis.RedisError, OSError) as problem:
            for operation, steps in chords:
                log.warning("dispatch.failed", **_facts(operation, steps), problem=type(problem).__name__)
            return None
        ms = round((time.monotonic() - started) * 1000, 1)
        for operation, steps in chords:
            log.info("dispatch.sent", **_facts(operation, steps), ms=ms)
        return len(chords)

    def requeue(self, operation_id: str, step: str, dispatch: int, task: str, shown: str | None) -> None:
        """Put one step's message back into its queue, unchanged. If that fails, the scheduler publishes it later."""
        queue = INTEGRATION_OF_STEP.get(step, CONTROL_QUEUE)
        try:
            self._push([make_message(self._app, TaskCall(task, (operation_id, step, dispatch), queue, shown))])
        except (redis.RedisError, OSError) as problem:
            log.warning("dispatch.requeue_failed", operation=operation_id, step=step, problem=type(problem).__name__)

    def full_queues(self) -> frozenset[str] | None:
        """Return the queues with at least FULL_QUEUE messages, or None when the broker does not answer."""
        lengths = self.queue_lengths()
        if lengths is None:
            return None
        return frozenset(queue for queue, length in lengths.items() if length >= FULL_QUEUE)

    def queue_lengths(self) -> dict[str, int] | None:
        """Return the number of messages in each queue, or None when the broker does not answer."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for queue in QUEUES:
                    pipe.llen(queue)
                lengths = pipe.execute()
        except (redis.RedisError, OSError):
            return None
        return dict(zip(QUEUES, lengths, strict=True))

    def is_up(self) -> bool:
        """Return whether the broker answers."""
        try:
            return bool(self._redis.ping())
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        self._redis.close()
        self._app.close()

    def _push(self, messages: Sequence[QueuedMessage]) -> None:
        """Push all messages in one round trip. If only some arrive, the scheduler publishes the others later."""
        if not messages:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for message in messages:
                pipe.lpush(message.queue, message.text)
            pipe.execute()

    def _chord(self, operation: Operation, steps: Sequence[StepRecord]) -> list[QueuedMessage]:
        header = [_call(operation, step) for step in steps]
        return make_chord_messages(self._app, header, TaskCall(FINALIZE, (operation.id,), CONTROL_QUEUE))


def _call(operation: Operation, step: StepRecord) -> TaskCall:
    """Return the task call of one step. Flower shows `shown`, so it has the tenant's slug and the operation's id."""
    args = (operation.id, step.name, operation.dispatch)
    shown = f"({operation.tenant_slug}, {operation.id}, {step.name}, dispatch {operation.dispatch})"
    return TaskCall(task_name(step.name, operation.action), args, _queue_of(step, operation), shown)


def _steps_to_publish(operation: Operation, excluded_queues: Collection[str]) -> list[StepRecord]:
    return [step for step in operation.steps_of_dispatch() if _queue_of(step, operation) not in excluded_queues]


def _facts(operation: Operation, steps: Sequence[StepRecord]) -> dict[str, object]:
    names = [step.name for step in steps]
    return {"operation": operation.id, "dispatch": operation.dispatch, "steps": names}


def _queue_of(step: StepRecord, operation: Operation) -> str:
    return integration_of(step.name, operation.action) or CONTROL_QUEUE
