"""Check what the first task of a worker process waits for."""

from __future__ import annotations

import time
from collections.abc import Callable

from sandbox.processes import free_port
from shared.config.settings import Settings
from shared.messaging.celery_app import make_celery
from worker.process_context import ELECTION_SECONDS, ProcessContexts, database_timeout


def test_the_first_task_of_a_process_whose_database_is_gone_waits_less_than_an_election(
    make_settings: Callable[..., Settings], redis_url: str
) -> None:
    gone = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    settings = make_settings(mongodb_uri=gone)
    assert database_timeout(settings) == ELECTION_SECONDS
    began = time.monotonic()
    context = ProcessContexts(settings, make_celery(settings.broker, "worker"))()
    assert time.monotonic() - began < ELECTION_SECONDS / 2
    assert context.runner is not None
