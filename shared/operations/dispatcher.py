"""Sends operations to the workers, by name and number only. Never waits for a result."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import redis
import structlog
from celery import Celery

from shared.config.broker_url import BrokerAddress
from shared.integrations.catalog import SLOWEST_FIRST
from shared.messaging.celery_app import make_celery
from shared.messaging.chord_messages import QueuedMessage, TaskCall, make_chord_messages, make_message
from shared.messaging.high_water_mark import HighWaterMark
from shared.messaging.queues import CONTROL_QUEUE, FINALIZE, QUEUES, RUN_STEP, task_name
from shared.messaging.redis_client import connect
from shared.operations.model import Operation, StepRecord
from shared.workflows.model import INTEGRATION_OF_STEP, integration_of

log = structlog.get_logger(__name__)

#: (socket, connect) timeouts of a sender, who stands in a request, in seconds
SOCKET_TIMEOUT, CONNECT_TIMEOUT = 1.0, 0.7


#: what waits in a queue this long is not lost, only late: sent again, it would make the queue longer still
FULL_QUEUE = 100


_PLACES = {integration: place for place, integration in enumerate(SLOWEST_FIRST)}


class Dispatcher:
    """One per process; safe to share between threads. Its connections are the only thing sending keeps."""

    def __init__(self, broker: BrokerAddress, app: Celery | None = None) -> None:
        """`app`: whose protocol writes the messages, a worker's own; without it one that only sends."""
        self._app = app or make_celery(broker, "sender")
        self._redis = connect(broker, socket_timeout=SOCKET_TIMEOUT, connect_timeout=CONNECT_TIMEOUT)
        self.high_water_mark = HighWaterMark(self._redis)

    def send(self, operation: Operation) -> bool:
        """Send the steps of the operation's latest dispatch as one chord. False when the broker did not take them."""
        return self.send_all([operation]) is not None

    def send_all(self, operations: Sequence[Operation], leaving: Collection[str] = ()) -> int | None:
        """The same for each of several, in one round trip: how many had anything to send.

        None when the broker did not take them. `leaving`: queues to which nothing is sent now.
        """
        started = time.monotonic()
        chords = [(operation, _to_send(operation, leaving)) for operation in operations]
        chords = [(operation, steps) for operation, steps in chords if steps]
        try:
            self._post([letter for operation, steps in chords for letter in self._chord(operation, steps)])
        except (redis.RedisError, OSError) as problem:
            for operation, steps in chords:
                log.warning("dispatch.failed", **_facts(operation, steps), problem=type(problem).__name__)
            return None
        ms = round((time.monotonic() - started) * 1000, 1)
        for operation, steps in chords:
            log.info("dispatch.sent", **_facts(operation, steps), ms=ms)
        return len(chords)

    def put_back(
        self, operation_id: str, step: str, dispatch: int, task: str = RUN_STEP, shown: str | None = None
    ) -> bool:
        """Send one step's message again as it was. False when the broker did not take it: the scheduler sends one."""
        queue = INTEGRATION_OF_STEP.get(step, CONTROL_QUEUE)
        try:
            self._post([make_message(self._app, TaskCall(task, (operation_id, step, dispatch), queue, shown))])
        except (redis.RedisError, OSError) as problem:
            log.warning("dispatch.not_put_back", operation=operation_id, step=step, problem=type(problem).__name__)
            return False
        return True

    def full_queues(self) -> frozenset[str] | None:
        """Queues with so many messages that more would be of no use. None when the broker does not answer at once."""
        lengths = self.queue_lengths()
        if lengths is None:
            return None
        return frozenset(queue for queue, length in lengths.items() if length >= FULL_QUEUE)

    def queue_lengths(self) -> dict[str, int] | None:
        """Queue to how many messages wait in it. None when the broker does not answer at once."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for queue in QUEUES:
                    pipe.llen(queue)
                lengths = pipe.execute()
        except (redis.RedisError, OSError):
            return None
        return dict(zip(QUEUES, lengths, strict=True))

    def is_up(self) -> bool:
        """Whether the broker answers at once."""
        try:
            return bool(self._redis.ping())
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        self._redis.close()
        self._app.close()

    def _post(self, letters: Sequence[QueuedMessage]) -> None:
        """All letters in one round trip. Should only some arrive, those run; the sweep sends the others again."""
        if not letters:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for letter in letters:
                pipe.lpush(letter.queue, letter.text)
            pipe.execute()

    def _chord(self, operation: Operation, steps: Sequence[StepRecord]) -> list[QueuedMessage]:
        header = [_call(operation, step) for step in steps]
        return make_chord_messages(self._app, header, TaskCall(FINALIZE, (operation.id,), CONTROL_QUEUE))


def _call(operation: Operation, step: StepRecord) -> TaskCall:
    """The message of one step, shown with what an operator looks for: the tenant's slug and the operation's id."""
    args = (operation.id, step.name, operation.dispatch)
    shown = f"({operation.tenant_slug}, {operation.id}, {step.name}, dispatch {operation.dispatch})"
    return TaskCall(task_name(step.name, operation.action), args, _queue_of(step, operation), shown)


def _to_send(operation: Operation, leaving: Collection[str]) -> list[StepRecord]:
    queued = [(_queue_of(step, operation), step) for step in operation.steps_of_dispatch()]
    queued.sort(key=lambda pair: _PLACES.get(pair[0], len(_PLACES)))
    return [step for queue, step in queued if queue not in leaving]


def _facts(operation: Operation, steps: Sequence[StepRecord]) -> dict[str, object]:
    names = [step.name for step in steps]
    return {"operation": operation.id, "dispatch": operation.dispatch, "steps": names}


def _queue_of(step: StepRecord, operation: Operation) -> str:
    return integration_of(step.name, operation.action) or CONTROL_QUEUE
