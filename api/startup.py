"""Create indexes and the default tenant at start, with retries. Until then only health checks are served."""

from __future__ import annotations

import threading
import time

import structlog
from flask import Flask, request

from shared.application.services import Services
from shared.core.errors import StoreUnavailable

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0


def refuse_until_prepared(app: Flask, control_plane: Services) -> None:
    """Respond with 503 until the indexes exist. Register it before all hooks that use the database."""

    @app.before_request
    def require_indexes() -> None:
        if control_plane.readiness.awaits_indexes and request.blueprint != "health":
            raise StoreUnavailable


def prepare_in_background(control_plane: Services) -> threading.Thread:
    """Prepare on a thread, so that a late database does not stop the start."""
    control_plane.readiness.awaits_indexes = True
    thread = threading.Thread(target=_prepare, args=(control_plane,), name="prepare", daemon=True)
    thread.start()
    return thread


def _prepare(control_plane: Services) -> None:
    while True:
        try:
            control_plane.readiness.prepare()
        except StoreUnavailable:
            log.warning("prepare.waiting_for_database")
        except Exception:  # an operator must see it and may correct it while the process runs
            log.exception("prepare.failed")
        else:
            log.info("prepare.done")
            return
        time.sleep(RETRY_SECONDS)
