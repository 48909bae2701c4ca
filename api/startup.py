"""Indexes and the default tenant at start, tried until they are there; nothing is served before, but for health."""

from __future__ import annotations

import threading
import time

import structlog
from flask import Flask, request

from shared.application.services import ControlPlane
from shared.core.errors import StoreUnavailable

log = structlog.get_logger(__name__)

PAUSE = 2.0


def refuse_until_prepared(app: Flask, control_plane: ControlPlane) -> None:
    """Answer "not now" while the indexes are not known to be there. Call before any other look at a request's sense."""

    @app.before_request
    def require_indexes() -> None:
        if control_plane.service.awaits_indexes and request.blueprint != "health":
            raise StoreUnavailable


def prepare_in_background(control_plane: ControlPlane) -> threading.Thread:
    """Start preparing on a thread of its own: a database that comes up late must not stop the start."""
    control_plane.service.awaits_indexes = True
    thread = threading.Thread(target=_prepare, args=(control_plane,), name="prepare", daemon=True)
    thread.start()
    return thread


def _prepare(control_plane: ControlPlane) -> None:
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
