"""Idempotency-Key on POST: keep the first response for a day and replay it, so that a repeated request acts once.

When the response was lost after the change was committed, a repeated request is told what changed and where to read it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Protocol

import structlog
from flask import Flask, Response, g, request

from api.http.problem_details import Problem
from api.http.request_input import raw_body
from shared.core.errors import AlreadyDone, StoreUnavailable
from shared.db.idempotency_keys import Effect, IdempotencyClaim, IdempotencyRepository, StoredResponse

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
ACCEPTED = re.compile(r"[\x21-\x7e]{1,255}")
#: response headers that are replayed; the others are set anew each time
REPLAYED_HEADERS = ("Content-Type", "Location", "Operation-Location", "ETag", "Retry-After")
#: first word of an event's action to the address that shows what changed
RECORDS = {
    "bulk": "/bulk-operations/{id}",
    "domain": "/tenants/{tenant}/domains",
    "integration": "/integrations",
    "observe_only": "/observe-only",
    "operation": "/operations/{id}",
    "orphans": "/orphans/looks",
    "partner": "/partners/{id}",
    "purges": "/purges",
    "subscription": "/subscriptions/{id}",
    "tenant": "/tenants/{tenant}",
    "user": "/users/{id}",
    "webhook": "/webhooks/{id}",
}


class Rights(Protocol):
    """The rights that a response depends on."""

    def held(self) -> list[str]:
        """Return the rights of this request's caller."""

    def require(self, kept: Collection[str], location: str | None, body: bytes) -> None:
        """Raise a domain error when this request's caller has lost one of them."""


def handle_idempotency_keys(app: Flask, keys: IdempotencyRepository, rights: Rights) -> None:
    """Handle the header on every POST of an authenticated caller. Call after the guard is in place."""

    @app.before_request
    def begin() -> Response | None:
        key = request.headers.get(HEADER)
        if key is None or request.method != "POST" or request.endpoint is None or "caller" not in g:
            return None
        if not ACCEPTED.fullmatch(key):
            raise Problem(400, "bad_idempotency_key", f"{HEADER} must be 1 to 255 printable ASCII characters.")
        found = keys.begin(_digest(g.caller.subject, key), _fingerprint())
        if not isinstance(found, IdempotencyClaim):
            return _repeated(found, rights)
        g.claim = found
        return None

    @app.after_request
    def end(response: Response) -> Response:
        claim: IdempotencyClaim | None = g.pop("claim", None)
        if claim is not None:
            try:
                _store(keys, claim, response, rights)
            except StoreUnavailable:
                # the response is sent anyway; after the lease a repeated request learns what this one changed
                log.warning("idempotency.not_stored")
        return response


def _repeated(first: StoredResponse | Effect, rights: Rights) -> Response:
    """Replay the first response. Raises AlreadyDone when it was lost, and the errors of `Rights.require`."""
    if isinstance(first, Effect):
        # an action that only a newer release knows has none
        record = RECORDS.get(first.action.partition(".")[0])
        raise AlreadyDone(first.action, record.format(tenant=first.tenant, id=first.id) if record else None)
    rights.require(first.rights, first.headers.get("Location"), first.body)
    return Response(first.body, first.status, {**first.headers, "Idempotency-Replayed": "true"})


def _store(keys: IdempotencyRepository, claim: IdempotencyClaim, response: Response, rights: Rights) -> None:
    """Store the response to a request that succeeded; an error is computed again unless the request took effect."""
    if not 200 <= response.status_code < 300:
        keys.release(claim)
        return
    headers = {name: response.headers[name] for name in REPLAYED_HEADERS if name in response.headers}
    body = g.get("kept_body") or response.get_data()
    keys.keep(claim, StoredResponse(response.status_code, headers, body, tuple(rights.held())))


def _fingerprint() -> str:
    parts = (request.method, request.path, request.query_string.decode("latin-1"), raw_body().decode("latin-1"))
    return _digest(*parts)


def _digest(*parts: str) -> str:
    """Hash several texts; each is prefixed by its length, so that no two lists collide."""
    whole = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        whole.update(len(encoded).to_bytes(8, "big") + encoded)
    return whole.hexdigest()
