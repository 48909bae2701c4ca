"""Indexes and the default tenant at start, tried until the database answers; requests are served meanwhile."""

from __future__ import annotations

import threading
import time

import structlog

from shared.control_plane.opening import ControlPlane
from shared.domain.errors import StoreUnavailable

log = structlog.get_logger(__name__)

PAUSE = 2.0


def prepare_in_background(control_plane: ControlPlane) -> threading.Thread:
    """Start preparing on a thread of its own: a database that comes up late must not stop the start."""
    thread = threading.Thread(target=_prepare, args=(control_plane,), name="prepare", daemon=True)
    thread.start()
    return thread


def _prepare(control_plane: ControlPlane) -> None:
    while True:
        try:
            control_plane.service.prepare()
        except StoreUnavailable:
            log.warning("prepare.waiting_for_database")
            time.sleep(PAUSE)
        else:
            log.info("prepare.done")
            return
