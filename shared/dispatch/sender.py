"""Sends operations to the workers, by name and number only. Never waits for a result."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis
import structlog
from celery import Celery, chord
from kombu.exceptions import KombuError

from shared.dispatch.celery_app import make_celery
from shared.dispatch.names import CONTROL_QUEUE, FINALIZE, RUN_STEP
from shared.domain.operation import Operation, StepRecord
from shared.domain.recipes import integration_of

log = structlog.get_logger(__name__)


class Dispatcher:
    """One per process; safe to share between threads."""

    def __init__(self, redis_url: str, app: Celery | None = None) -> None:
        """`app`: send through this one (a worker's own) instead of a bare sender."""
        self._app = app or make_celery(redis_url, "sender")
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=1.0, socket_connect_timeout=0.7)

    def send(self, operation: Operation) -> bool:
        """Send the steps of the operation's latest dispatch as one chord. False when the broker did not take them."""
        steps = operation.steps_of_dispatch()
        if not steps:
            return True
        started = time.monotonic()
        facts = {"operation": operation.id, "dispatch": operation.dispatch, "steps": [step.name for step in steps]}
        try:
            self._chord(operation, steps).apply_async(retry=False)
        except (redis.RedisError, KombuError, OSError) as problem:
            log.warning("dispatch.failed", **facts, problem=type(problem).__name__)
            return False
        log.info("dispatch.sent", **facts, ms=round((time.monotonic() - started) * 1000, 1))
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

    def _chord(self, operation: Operation, steps: Sequence[StepRecord]) -> chord:
        header = [
            self._app.signature(
                RUN_STEP,
                args=(operation.id, step.name, operation.dispatch),
                queue=integration_of(step.name, operation.action) or CONTROL_QUEUE,
                immutable=True,
            )
            for step in steps
        ]
        body = self._app.signature(FINALIZE, args=(operation.id,), queue=CONTROL_QUEUE, immutable=True)
        return chord(header, body, app=self._app)
