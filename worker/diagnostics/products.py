"""Checks of the products: version, certificate, and our account's rights there, tried by reads that change nothing."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.diagnostics.model import VERSION, Check, CheckStatus
from shared.integrations.catalog import INTEGRATIONS, STALWART
from shared.integrations.outcomes import Fault, TemporaryError, failed
from shared.integrations.ownership_marker import MarkerSigner
from shared.integrations.reasons import REASONS, reason_of
from shared.status.problem_repository import ProblemRepository
from worker.http.certificate import certificate_end
from worker.http.deadline import within
from worker.integrations.discovery import FINDERS

#: timeout of all checks of one product, in seconds
MAX_PRODUCT_SECONDS = 30.0
#: reasons that say that our account may not do what a step needs
REFUSALS = frozenset({"bad_credentials", "missing_permission"})
SMTP_PROBE = (
    "Each closing of mail asks Stalwart about one recipient over SMTP, and Stalwart bans an address after many "
    "refusals a day: its x:AllowedIp must hold the addresses of the workers."
)
#: a certificate that ends within this is a warning, in seconds
ENDS_SOON = 14 * 86400.0


def product_checks(settings: Settings, clients: Mapping[str, Any], name: str) -> Iterator[Check]:
    """Yield the checks of an integration; one that is not configured yields `not_configured`."""
    client = clients.get(name)
    if client is None:
        yield Check(name, "configuration", CheckStatus.NOT_CONFIGURED, *_describe("not_configured"))
        return
    with within(MAX_PRODUCT_SECONDS):
        yield _version(name, client)
        if name in FINDERS:
            signer = MarkerSigner(name, settings.stamp_key_texts)
            yield _check_read(name, "rights", partial(_rights, name, client, signer), CheckStatus.FAILED)
        if name == STALWART and settings.stalwart_smtp_url is not None:
            yield Check(name, "smtp", CheckStatus.OK, SMTP_PROBE)
    yield _certificate(name, settings.integration_urls.get(name), settings.extra_ca_certs)


def write_checks(problems: ProblemRepository, clients: Mapping[str, Any]) -> Iterator[Check]:
    """Yield checks of our rights to write from recorded outcomes, because a test would change something outside."""
    try:
        counts = problems.count(None)
    except StoreUnavailable:
        return
    for name in (one for one in INTEGRATIONS if clients.get(one) is not None):
        refused = {value.partition("/")[2]: count for value, count in counts.of(name).items()}
        found = [(reason, count) for reason, count in refused.items() if reason in REFUSALS]
        for reason, count in found:
            message = f"Tenants whose step was refused with {reason}: {count}."
            yield Check(name, "write rights", CheckStatus.FAILED, message, REASONS[reason].remedy)
        if not found:
            yield Check(name, "write rights", CheckStatus.OK, "Not tried; no tenant's step is refused now.")


def _check_read(area: str, name: str, read: Callable[[], str], otherwise: CheckStatus) -> Check:
    """Run a read as a check. Record its duration unless the fault is temporary."""
    began = time.monotonic()
    try:
        check = Check(area, name, CheckStatus.OK, read())
    except Fault as fault:
        outcome = failed(fault)
        # not the outcome's remedy: no step runs again here
        remedy = reason_of(fault.reason).remedy or "Check again later."
        check = Check(area, name, otherwise, outcome.message or "It failed.", remedy)
        if isinstance(fault, TemporaryError):
            return check
    return replace(check, seconds=round(time.monotonic() - began, 3))


def _rights(integration: str, client: Any, signer: MarkerSigner) -> str:
    return f"Our account may read; {len(FINDERS[integration](client, signer))} objects there are ours."


def _version(area: str, client: Any) -> Check:
    """Call a product for its version: an account may have every right that it needs and yet not this one."""
    versions: list[str] = []

    def read() -> str:
        versions.append(client.version())
        return f"Answers as version {versions[0]}."

    return replace(_check_read(area, VERSION, read, CheckStatus.WARNING), version=next(iter(versions), None))


def _certificate(area: str, url: str | None, ca_file: str | None) -> Check:
    if url is None:
        return Check(
            area, "tls", CheckStatus.NOT_CONFIGURED, "Its library chooses the address and checks the certificate."
        )
    try:
        end = certificate_end(url, ca_file)
    except (OSError, ssl.SSLError, UnicodeError) as problem:
        return Check(area, "tls", CheckStatus.FAILED, f"No TLS connection: {problem}", REASONS["tls"].remedy)
    if end is None:
        remedy = "Use https unless the address is on this host or in a private network."
        return Check(area, "tls", CheckStatus.WARNING, "The address is without TLS.", remedy)
    days = (end - time.time()) / 86400
    status = CheckStatus.OK if days * 86400 > ENDS_SOON else CheckStatus.WARNING
    return Check(
        area, "tls", status, f"The certificate ends in {days:.0f} days.", "" if status == "ok" else "Renew it."
    )


def _describe(reason: str) -> tuple[str, str]:
    return REASONS[reason].message, REASONS[reason].remedy or "Try again later."
