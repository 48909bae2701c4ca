"""The worker's composition root."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.signals import celeryd_after_setup, setup_logging, task_rejected, task_unknown, worker_shutting_down

from shared.config.settings import Settings
from shared.core.logging import configure_logs
from shared.messaging.celery_app import make_celery
from shared.operations.model import Action
from worker.execution.watchdog import Watchdog
from worker.integrations.registry import STEPS, Functions
from worker.process_context import DeskOfProcess
from worker.tasks import register_tasks, reject


def create_worker(
    settings: Settings, steps: Mapping[Action, Functions] = STEPS, watchdog: Watchdog | None = None
) -> Celery:
    """A Celery app that answers every task of the contract."""
    configure_logs(settings.log_level, settings.log_format)
    app = make_celery(settings.broker, "worker")
    desk = DeskOfProcess(settings, app, steps, watchdog)
    register_tasks(app, desk)
    setup_logging.connect(_keep_our_logs, weak=False)
    task_unknown.connect(_note_unknown, weak=False)
    task_rejected.connect(_note_malformed, weak=False)
    _follow_worker(desk)
    return app


def _follow_worker(desk: DeskOfProcess) -> None:
    """Celery tells how wide it works, and when it is to stop."""

    def started(instance: Any, **_: Any) -> None:
        desk.concurrency = instance.concurrency

    def stopping(**_: Any) -> None:
        # in a thread: this is called from a signal's handler, and whatever that interrupted may hold the locks
        threading.Thread(target=desk.stop, name="putting-back").start()

    celeryd_after_setup.connect(started, weak=False)
    worker_shutting_down.connect(stopping, weak=False)


def _note_unknown(name: Any = None, message: Any = None, **_: Any) -> None:
    """A task that no sender of ours knows either. Celery has rejected the message."""
    reject(name, "unknown task", getattr(message, "body", None))


def _note_malformed(message: Any = None, **_: Any) -> None:
    """A message that is no task. Celery has rejected it."""
    reject(None, "no task", getattr(message, "body", None))


def _keep_our_logs(**_: Any) -> None:
    """Being connected is enough: Celery then leaves the loggers as `configure_logs` set them."""
