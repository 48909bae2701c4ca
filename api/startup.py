"""Create indexes and the default tenant at start, with retries. Until then only health checks are served."""

from __future__ import annotations

import threading
import time

import structlog
from flask import Flask, request

from shared.application.services import Services
from shared.core.errors import StoreUnavailable
from shared.db.indexes import IndexConflict

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0


def refuse_until_prepared(app: Flask, services: Services) -> None:
    """Respond with 503 until the indexes exist. Register it before all hooks that use the database."""

    @app.before_request
    def require_indexes() -> None:
        if services.readiness.awaits_indexes and request.blueprint != "health":
            raise StoreUnavailable


def prepare_in_background(services: Services) -> threading.Thread:
    """Prepare on a thread, so that a late database does not stop the start."""
    services.readiness.awaits_indexes = True
    thread = threading.Thread(target=_prepare, args=(services,), name="prepare", daemon=True)
    thread.start()
    return thread


def _prepare(services: Services) -> None:
    while True:
        try:
            is_done = services.readiness.prepare()
        except StoreUnavailable:
            log.warning("prepare.waiting_for_database")
        except IndexConflict as conflict:
            log.error("prepare.failed", cause=str(conflict))
        except Exception:  # an operator must see it and may correct it while the process runs
            log.exception("prepare.failed")
        else:
            if is_done:
                log.info("prepare.done")
                return
            log.info("prepare.waiting_for_migrations")
        time.sleep(RETRY_SECONDS)
