"""Compose the worker: settings, process context, tasks and Celery's signals."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    task_rejected,
    task_unknown,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from shared.config.settings import Settings
from shared.config.sources import warn_of_former_names
from shared.core.logging import configure_logs
from shared.messaging.celery_app import make_celery
from shared.metrics.exposition import mark_process_ended, serve_metrics
from shared.metrics.tracing import trace_worker
from shared.workflows.model import Action
from worker.execution.watchdog import Watchdog
from worker.integrations.registry import STEPS, Functions
from worker.process_context import ProcessContexts
from worker.tasks import register_tasks, reject


def create_worker(
    settings: Settings, steps: Mapping[Action, Functions] = STEPS, watchdog: Watchdog | None = None
) -> Celery:
    """Create the Celery app with all tasks that the API and the scheduler publish."""
    configure_logs(settings.log_level, settings.log_format)
    warn_of_former_names()
    app = make_celery(settings.broker, "worker")
    contexts = ProcessContexts(settings, app, steps, watchdog)
    register_tasks(app, contexts)
    setup_logging.connect(_keep_logging, weak=False)
    task_unknown.connect(_log_unknown, weak=False)
    task_rejected.connect(_log_malformed, weak=False)
    _follow_worker(contexts, settings)
    return app


def _follow_worker(contexts: ProcessContexts, settings: Settings) -> None:
    """Take the worker's concurrency from Celery, serve metrics while it runs, and stop when Celery does."""

    def started(instance: Any, **_: Any) -> None:
        contexts.concurrency = instance.concurrency

    def initialized(**_: Any) -> None:
        serve_metrics(settings.metrics_port, settings.metrics_host)
        trace_worker()

    def stopping(**_: Any) -> None:
        # in a thread: a signal's handler calls this, and the code that it interrupted may hold the locks
        threading.Thread(target=contexts.stop, name="stop").start()

    def child_ended(pid: int | None = None, **_: Any) -> None:
        mark_process_ended(pid)

    celeryd_after_setup.connect(started, weak=False)
    worker_init.connect(initialized, weak=False)
    worker_process_init.connect(lambda **_: trace_worker(), weak=False)
    worker_process_shutdown.connect(child_ended, weak=False)
    worker_shutting_down.connect(stopping, weak=False)


def _log_unknown(name: Any = None, message: Any = None, **_: Any) -> None:
    """Log a task name that is not registered. Celery has rejected the message."""
    reject(name, "unknown task", getattr(message, "body", None))


def _log_malformed(message: Any = None, **_: Any) -> None:
    """Log a message that is not a task. Celery has rejected it."""
    reject(None, "no task", getattr(message, "body", None))


def _keep_logging(**_: Any) -> None:
    """Keep the loggers as `configure_logs` set them: Celery configures none when this signal is connected."""
