"""Contain the faults of single records, so that a job goes on with the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from shared.core.errors import StoreUnavailable
from shared.db.connection import MongoConnection
from shared.metrics.metrics import JOB_FAILURES

log = structlog.get_logger(__name__)

#: how long the database may take to show that it is up, in seconds
CHECK_SECONDS = 1.0


@contextmanager
def contain_faults(connection: MongoConnection, job: str, record: str) -> Iterator[None]:
    """Log any error of the block and count it as a failure of the job, so that the job goes on with the next record.

    A record may be locked by a process that died within a transaction, or hold what only a newer release knows.
    Raises StoreUnavailable when the database does not answer.
    """
    try:
        yield
    except StoreUnavailable:
        JOB_FAILURES.labels(job).inc()
        if not connection.is_up(CHECK_SECONDS):
            raise
        log.warning("record.postponed", job=job, record=record)
    except Exception:
        JOB_FAILURES.labels(job).inc()
        log.exception("record.bug", job=job, record=record)
