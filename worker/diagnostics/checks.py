"""Checks of the platform itself: settings, database, broker, workers, identity provider, name resolution."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from celery import Celery

from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.connection import MongoConnection
from shared.db.migrations import Migrator
from shared.diagnostics.model import Check, CheckStatus
from shared.integrations.catalog import INTEGRATIONS
from shared.integrations.outcomes import Fault, failed
from shared.messaging.messages import QUEUES
from shared.operations.dispatcher import FULL_QUEUE, Dispatcher
from shared.status.problem_repository import ProblemRepository
from shared.status.repair import StatusRepair
from worker.diagnostics.products import product_checks, write_checks
from worker.http.response import ApiResponse
from worker.http.session import CONNECT_SECONDS, adapter_for, bounded, prepared

log = structlog.get_logger(__name__)

#: a clock that differs more than this from the database's makes tokens and signatures fail, in seconds
MAX_DIFFERENCE = 5.0
#: timeouts of workers and of an issuer, in seconds
WORKERS_SECONDS, ISSUER_SECONDS = 3.0, 5.0
#: bytes read of an issuer's answer
MAX_ISSUER_BYTES = 1_000_000
#: a scheduler is considered dead when no job ran for this long, in seconds
SCHEDULER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Runs all checks, one after another. Each has a timeout, and one that fails stops no other."""

    connection: MongoConnection
    missing_indexes: Callable[[], list[str]]
    migrator: Migrator
    problems: ProblemRepository
    status_repair: StatusRepair
    dispatcher: Dispatcher
    app: Celery
    clients: Mapping[str, Any]
    settings: Settings

    def run(self) -> list[Check]:
        """Run every check of the platform and the products."""
        areas: dict[str, Callable[[], Iterator[Check]]] = {
            "settings": self._configuration,
            "mongodb": self._database,
            "broker": self._broker,
            "workers": self._workers,
            "issuers": self._issuers,
            "dns": self._names,
            **{name: partial(product_checks, self.settings, self.clients, name) for name in INTEGRATIONS},
            "write rights": lambda: write_checks(self.problems, self.clients),
        }
        return [check for area, checks in areas.items() for check in _contained(area, checks)]

    def _configuration(self) -> Iterator[Check]:
        names = ", ".join(sorted(self.settings.configured)) or "none"
        yield Check("settings", "integrations", CheckStatus.OK, f"The settings are valid. Configured: {names}.")
        if not self.settings.stamp_keys:
            remedy = "Set STAMP_KEYS to a long random text."
            message = "STAMP_KEYS is not set, so domains cannot be proven."
            yield Check("settings", "stamp_keys", CheckStatus.NOT_CONFIGURED, message, remedy)

    def _database(self) -> Iterator[Check]:
        try:
            difference = abs((self.connection.now() - datetime.now(UTC)).total_seconds())
            missing = self.missing_indexes()
            migrations = [f"{one.number} {one.name}" for one in self.migrator.missing()]
        except StoreUnavailable:
            remedy = "Check that MongoDB runs and has a primary, and MONGODB_URI."
            yield Check("mongodb", "connection", CheckStatus.FAILED, "The database does not answer.", remedy)
            return
        yield Check("mongodb", "connection", CheckStatus.OK, "A primary answers.")
        remedy = "Start the API, which creates them. If it runs, its log event prepare.failed has the cause."
        message = f"Missing: {', '.join(missing)}." if missing else "All indexes exist."
        yield _check("mongodb", "indexes", not missing, message, remedy)
        remedy = "Start the API, which applies them. If it runs, its log event prepare.failed has the cause."
        message = f"Not applied: {', '.join(migrations)}." if migrations else "All migrations were applied."
        yield _check("mongodb", "migrations", not migrations, message, remedy)
        remedy = "Synchronise the clocks of this host and the database's."
        message = f"This host and the database differ by {difference:.1f} s."
        yield _check("clock", "difference", difference <= MAX_DIFFERENCE, message, remedy)
        age = self.status_repair.seconds_since_run()
        message = f"A scheduler ran its jobs {age:.0f} s ago." if age is not None else "No scheduler has run yet."
        is_alive = age is not None and age < SCHEDULER_SECONDS
        yield _check("scheduler", "alive", is_alive, message, "Start a scheduler: python -m worker.scheduler.")

    def _broker(self) -> Iterator[Check]:
        lengths = self.dispatcher.queue_lengths()
        if lengths is None:
            remedy = "Check that Redis runs, and REDIS_URL. Operations are accepted meanwhile and wait."
            yield Check("broker", "connection", CheckStatus.FAILED, "The broker does not answer.", remedy)
            return
        yield Check("broker", "connection", CheckStatus.OK, "The broker answers.")
        for queue, length in lengths.items():
            remedy = "Add workers that read it, or find out why they are slow."
            message = f"{length} messages wait."
            yield _check("queues", queue, length < FULL_QUEUE, message, remedy, CheckStatus.WARNING)

    def _workers(self) -> Iterator[Check]:
        try:
            replies = self.app.control.inspect(timeout=WORKERS_SECONDS).active_queues() or {}
        except Exception as problem:  # noqa: BLE001 - the broker's library raises many kinds; all mean the same here
            replies, why = {}, f" ({type(problem).__name__})"
        else:
            why = ""
        if not replies:
            remedy = "Start workers: celery -A worker.main:app worker."
            yield Check("workers", "alive", CheckStatus.FAILED, f"No worker answers{why}.", remedy)
            return
        yield Check("workers", "alive", CheckStatus.OK, f"{len(replies)} answer: {', '.join(sorted(replies))}.")
        read = {queue["name"] for queues in replies.values() for queue in queues or ()}
        for queue in QUEUES:
            is_read = queue in read
            message = "A worker reads it." if is_read else "No worker reads it."
            yield _check("workers", queue, is_read, message, f"Start a worker with -Q {queue}.")

    def _issuers(self) -> Iterator[Check]:
        if not self.settings.oidc_issuers or not self.settings.oidc_audiences:
            remedy = "Set OIDC_ISSUERS and OIDC_AUDIENCES to the values of the API."
            message = "No issuer or no audience is set here."
            yield Check("issuers", "configuration", CheckStatus.NOT_CONFIGURED, message, remedy)
        for issuer, keys_url in self.settings.oidc_issuers.items():
            yield self._issuer(issuer, keys_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration")

    def _issuer(self, issuer: str, url: str) -> Check:
        try:
            found = self._read(url)
        except Fault as fault:
            remedy = "Check that it runs and that its certificate is trusted (EXTRA_CA_CERTS)."
            message = f"It does not answer with keys or its discovery document: {failed(fault).message}"
            return Check("issuers", issuer, CheckStatus.FAILED, message, remedy)
        known = "keys" in found or found.get("issuer") == issuer
        message = "It answers with its keys." if known else "Its answer names another issuer, or no keys."
        return _check("issuers", issuer, known, message, "Name the issuer exactly as its discovery document does.")

    def _read(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL, all within ISSUER_SECONDS. Raises Fault."""
        with bounded(time.monotonic() + ISSUER_SECONDS) as left, requests.Session() as plain:
            session = prepared(plain, adapter_for(self.settings.extra_ca_certs, 1))
            response = session.get(url, timeout=(min(CONNECT_SECONDS, left), left), stream=True)
            content = response.raw.read(MAX_ISSUER_BYTES, decode_content=True)
        answer = ApiResponse(response.status_code, response.headers, content)
        if answer.status != 200:
            raise answer.refusal()
        return answer.fields()

    def _names(self) -> Iterator[Check]:
        for name, url in self.settings.integration_urls.items():
            host = urlsplit(url).hostname
            if host is None:
                continue
            began = time.monotonic()
            try:
                socket.getaddrinfo(host, None)
            except (OSError, UnicodeError) as problem:
                remedy = "Correct the address in the settings, or the resolver of this host."
                yield Check("dns", host, CheckStatus.FAILED, f"{name}'s host has no address: {problem}", remedy)
            else:
                yield Check("dns", host, CheckStatus.OK, f"It resolves in {(time.monotonic() - began) * 1000:.0f} ms.")


def _contained(area: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield an area's checks; a fault that none of them expects ends this area only."""
    try:
        yield from checks()
    except Exception as problem:
        log.exception("diagnostics.bug", area=area)
        message = f"A check broke off: {type(problem).__name__}."
        yield Check(area, "run", CheckStatus.FAILED, message, "Read the log of the process that ran it.")


def _check(
    area: str, name: str, is_ok: bool, message: str, remedy: str, otherwise: CheckStatus = CheckStatus.FAILED
) -> Check:
    """Return a check that has a remedy only when it is not ok. `otherwise`: its status then."""
    return Check(area, name, CheckStatus.OK, message) if is_ok else Check(area, name, otherwise, message, remedy)
