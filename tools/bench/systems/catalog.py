"""The systems: the commands that start each, and where its finished tenants are found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.messaging.messages import QUEUES

#: slug to the times when the tenant was recorded and finished
Spans = dict[str, tuple[datetime, datetime]]


@dataclass(frozen=True)
class System:
    """`commands`: port to the processes' command lines.

    `spans`: created and finished, of each tenant whose slug starts with a tag.
    """

    name: str
    database: str
    commands: Callable[[int], dict[str, list[str]]]
    spans: Callable[[Any, str], Spans]
    environment: dict[str, str] = field(default_factory=dict)


def _api(port: int) -> list[str]:
    """Return the command of the platform's API, as it is deployed."""
    return [sys.executable, "-m", "api", "--port", str(port)]


def _granian(port: int, app: str) -> list[str]:
    """Return the command of a baseline's API, as granian's documentation starts one."""
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "16"]
    return [sys.executable, "-m", "granian", *options, app]


def _worker(*options: str) -> list[str]:
    celery = [sys.executable, "-m", "celery", "-A", "worker.main:app", "worker", "--pool", "threads"]
    shared = ["--concurrency", "64", "-Q", ",".join(QUEUES), "--without-gossip", "--without-mingle"]
    return [*celery, *shared, *options]


def _platform(*worker_options: str) -> Callable[[int], dict[str, list[str]]]:
    return lambda port: {
        "api": _api(port),
        "worker": _worker(*worker_options),
        "scheduler": [sys.executable, "-m", "worker.scheduler"],
    }


def _platform_spans(database: Any, tag: str) -> Spans:
    rows = database["operations"].find({"tenantSlug": {"$gte": tag, "$lt": f"{tag}~"}})
    return {row["tenantSlug"]: (row["createdAt"], row["finishedAt"]) for row in rows}


def _plain_spans(database: Any, tag: str) -> Spans:
    rows = database["tenants"].find({"slug": {"$gte": tag, "$lt": f"{tag}~"}})
    return {row["slug"]: (row["createdAt"], row["finishedAt"]) for row in rows}


def _at(database: str) -> dict[str, str]:
    return {"MONGODB_DATABASE": database}


PLATFORM = System("platform", "bench", _platform(), _platform_spans, _at("bench"))
WITH_EVENTS = System("platform, events on", "events", _platform("-E"), _platform_spans, _at("events"))
WITH_OTHERS = System("platform, with other tenants", "with_others", _platform(), _platform_spans, _at("with_others"))
PLAIN = System(
    "plain chord",
    "plain",
    lambda port: {
        "api": _granian(port, "tools.bench.systems.plain_chord:app"),
        "worker": [sys.executable, "-m", "celery", "-A", "tools.bench.systems.plain_chord:celery", "worker"],
    },
    _plain_spans,
)
#: APIs without workers, for requests; the bare one reads the platform's records
API_ONLY = System("platform", "bench", lambda port: {"api": _api(port)}, _platform_spans, _at("bench"))
BARE_API = System(
    "bare", "bare", lambda port: {"api": _granian(port, "tools.bench.systems.bare_api:app")}, _plain_spans
)
