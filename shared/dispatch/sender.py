"""Sends operations to the workers, by name and number only. Never waits for a result."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis
import structlog
from celery import Celery

from shared.dispatch.celery_app import make_celery
from shared.dispatch.envelope import Errand, Letter, chord_letters, lone_letter
from shared.dispatch.memory import Memory
from shared.dispatch.names import CONTROL_QUEUE, FINALIZE, RUN_STEP
from shared.domain.operation import Operation, StepRecord
from shared.domain.recipes import INTEGRATION_OF_STEP, integration_of

log = structlog.get_logger(__name__)

#: (socket, connect) timeouts of a sender, who stands in a request, in seconds
SOCKET_TIMEOUT, CONNECT_TIMEOUT = 1.0, 0.7


class Dispatcher:
    """One per process; safe to share between threads. Its connections are the only thing sending keeps."""

    def __init__(self, redis_url: str, app: Celery | None = None) -> None:
        """`app`: whose protocol writes the messages, a worker's own; without it one that only sends."""
        self._app = app or make_celery(redis_url, "sender")
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT, health_check_interval=10
        )
        self.memory = Memory(self._redis)

    def send(self, operation: Operation) -> bool:
        """Send the steps of the operation's latest dispatch as one chord. False when the broker did not take them."""
        steps = operation.steps_of_dispatch()
        if not steps:
            return True
        started = time.monotonic()
        facts = {"operation": operation.id, "dispatch": operation.dispatch, "steps": [step.name for step in steps]}
        try:
            self._post(self._chord(operation, steps))
        except (redis.RedisError, OSError) as problem:
            log.warning("dispatch.failed", **facts, problem=type(problem).__name__)
            return False
        log.info("dispatch.sent", **facts, ms=round((time.monotonic() - started) * 1000, 1))
        return True

    def put_back(self, operation_id: str, step: str, dispatch: int) -> bool:
        """Send one step's message again as it was. False when the broker did not take it: the sweep sends another."""
        queue = INTEGRATION_OF_STEP.get(step, CONTROL_QUEUE)
        try:
            self._post([lone_letter(self._app, Errand(RUN_STEP, (operation_id, step, dispatch), queue))])
        except (redis.RedisError, OSError) as problem:
            log.warning("dispatch.not_put_back", operation=operation_id, step=step, problem=type(problem).__name__)
            return False
        return True

    def is_up(self) -> bool:
        """Whether the broker answers at once."""
        try:
            return bool(self._redis.ping())
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        self._redis.close()
        self._app.close()

    def _post(self, letters: Sequence[Letter]) -> None:
        """All letters in one round trip. Should only some arrive, those run; the sweep sends the others again."""
        with self._redis.pipeline(transaction=False) as pipe:
            for letter in letters:
                pipe.lpush(letter.queue, letter.text)
            pipe.execute()

    def _chord(self, operation: Operation, steps: Sequence[StepRecord]) -> list[Letter]:
        header = [
            Errand(
                RUN_STEP,
                (operation.id, step.name, operation.dispatch),
                integration_of(step.name, operation.action) or CONTROL_QUEUE,
            )
            for step in steps
        ]
        return chord_letters(self._app, header, Errand(FINALIZE, (operation.id,), CONTROL_QUEUE))
