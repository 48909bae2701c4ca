"""Run Stripe's library over our HTTP client, which sets deadlines and repeats safe calls.

Every error becomes one of our faults, and no text of Stripe's enters a message or a log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import stripe

from shared.integrations.outcomes import Fault, NotFound, PermanentError, TemporaryError
from worker.http.json_client import JsonClient


class _Transport(stripe.HTTPClient):
    """Transport for Stripe's library. GETs and requests with an idempotency key may be repeated."""

    name = "json_api"

    def __init__(self, api: JsonClient, origin: str) -> None:
        super().__init__()
        self._api = api
        self._origin = origin

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        answer = self._api.call(
            method.upper(),
            url.removeprefix(self._origin),
            headers=headers,
            form=post_data,
            repeatable=method == "get" or "Idempotency-Key" in (headers or {}),
        )
        if answer.status < 300 and not _is_object(answer.json()):
            raise TemporaryError("unexpected_answer", "The response is not one of Stripe's.")
        return answer.content, answer.status, answer.headers

    def close(self) -> None:
        self._api.close()


def _is_object(body: Any) -> bool:
    """Return whether the body is an object of Stripe's; the library itself would accept any JSON."""
    return isinstance(body, dict) and "object" in body


def stripe_client(api_key: str, origin: str, call_seconds: float, ca_file: str | None) -> stripe.StripeClient:
    """Return the library's client, for one origin and without its own retries."""
    # at INFO the library logs texts of Stripe's
    logging.getLogger("stripe").setLevel(logging.WARNING)
    transport = _Transport(JsonClient(origin, call_seconds=call_seconds, ca_file=ca_file), origin)
    return stripe.StripeClient(api_key, base_addresses={"api": origin}, http_client=transport, max_network_retries=0)


@contextmanager
def our_faults() -> Iterator[None]:
    """Raise the library's errors in this block as TemporaryError, PermanentError or NotFound."""
    try:
        yield
    except stripe.StripeError as problem:
        raise _meaning(problem) from None


#: the first class that matches decides; otherwise the status does
MEANINGS: tuple[tuple[type[stripe.StripeError], type[Fault], str, str], ...] = (
    (stripe.RateLimitError, TemporaryError, "throttled", ""),
    (stripe.AuthenticationError, PermanentError, "bad_credentials", ""),
    (stripe.PermissionError, PermanentError, "missing_permission", "The API key may not do this in Stripe."),
    (stripe.IdempotencyError, PermanentError, "invalid", "The idempotency key was used for another request."),
    (stripe.CardError, PermanentError, "invalid", "The payment was declined."),
    (stripe.InvalidRequestError, PermanentError, "invalid", "Stripe refuses the request as invalid."),
)


def _meaning(problem: stripe.StripeError) -> Fault:
    if problem.http_status == 409:
        return TemporaryError("not_ready", "Another request with this key is running.", wait=1.0)
    if problem.http_status == 404 and problem.code == "resource_missing":
        return NotFound()
    for kind, fault, reason, detail in MEANINGS:
        if isinstance(problem, kind):
            return fault(reason, detail)
    return TemporaryError("unexpected_answer", "The response is not one of Stripe's.")
