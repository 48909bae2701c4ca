"""Make indexes and the default tenant at the start, until it succeeds; only health is served before."""

from __future__ import annotations

import threading
import time

import structlog
from flask import Flask, request

from shared.application.services import Services
from shared.core.errors import StoreUnavailable

log = structlog.get_logger(__name__)

PAUSE = 2.0


def refuse_until_prepared(app: Flask, control_plane: Services) -> None:
    """Answer 503 while the indexes may be missing. Call before everything that reads or writes the database."""

    @app.before_request
    def require_indexes() -> None:
        if control_plane.service.awaits_indexes and request.blueprint != "health":
            raise StoreUnavailable


def prepare_in_background(control_plane: Services) -> threading.Thread:
    """Prepare on a thread: a database that comes up late must not stop the start."""
    control_plane.service.awaits_indexes = True
    thread = threading.Thread(target=_prepare, args=(control_plane,), name="prepare", daemon=True)
    thread.start()
    return thread


def _prepare(control_plane: Services) -> None:
    while True:
        try:
            control_plane.service.prepare()
        except StoreUnavailable:
            log.warning("prepare.waiting_for_database")
        except Exception:  # whatever it is, an operator has to see it, and it may be put right while we run
            log.exception("prepare.failed")
        else:
            log.info("prepare.done")
            return
        time.sleep(PAUSE)
