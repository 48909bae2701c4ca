"""One diagnostics run and its checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CheckStatus(StrEnum):
    """`not_configured` says that there was nothing to check, which is not the same as `ok`."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"


class RunStatus(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True)
class Check:
    """`area`: what it is about, such as `mongodb` or `stalwart`; `message`: what was found; `remedy`: what to do."""

    area: str
    name: str
    status: CheckStatus
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """A run as last read. One that waits for long says that no scheduler takes it."""

    id: str
    status: RunStatus
    requested_by: str | None
    created_at: datetime
    finished_at: datetime | None
    checks: tuple[Check, ...]
