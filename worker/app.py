"""The worker's composition root."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import setup_logging

from shared.dispatch.celery_app import make_celery
from shared.logs import configure_logs
from shared.settings import Settings
from worker.desk import DeskOfProcess
from worker.tasks import register_tasks


def create_worker(settings: Settings) -> Celery:
    """A Celery app that answers every task of the contract."""
    configure_logs(settings.log_level, settings.log_format)
    app = make_celery(settings.redis_url.get_secret_value(), "worker")
    register_tasks(app, DeskOfProcess(settings, app))
    setup_logging.connect(_keep_our_logs, weak=False)
    return app


def _keep_our_logs(**_: Any) -> None:
    """Being connected is enough: Celery then leaves the loggers as `configure_logs` set them."""
