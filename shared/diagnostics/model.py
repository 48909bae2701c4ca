"""One diagnostics run and its checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CheckStatus(StrEnum):
    """`not_configured`: there was nothing to check, which is not `ok`."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"


class RunStatus(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


#: the check that calls a product and asks for its version
VERSION = "version"


@dataclass(frozen=True)
class Check:
    """One check. `area`: such as `mongodb` or `stalwart`; `message`: its finding; `remedy`: the advice.

    `version` and `seconds`: a product's version, and how long it took to answer.
    """

    area: str
    name: str
    status: CheckStatus
    message: str
    remedy: str = ""
    version: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """A run and its checks. A run that stays `waiting` shows that no scheduler is running."""

    id: str
    status: RunStatus
    requested_by: str | None
    created_at: datetime
    finished_at: datetime | None
    checks: tuple[Check, ...]
