"""Stripe's own library over our transport: it makes the requests and reads the answers, we bound and repeat the calls.

Every fault leaves here as one of ours, and nothing that Stripe says in words enters a message or a log.
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
    """GETs, and whatever has an idempotency key, may be repeated."""

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
            raise TemporaryError("unexpected_answer", "The answer is not one Stripe gives.")
        return answer.content, answer.status, answer.headers

    def close(self) -> None:
        self._api.close()


def _is_object(body: Any) -> bool:
    """All that Stripe gives says what it is; the library would take anything."""
    return isinstance(body, dict) and "object" in body


def stripe_client(api_key: str, origin: str, call_seconds: float, ca_file: str | None) -> stripe.StripeClient:
    """The library's client, for one origin and without repeats of its own."""
    # at INFO the library logs Stripe's own words
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


#: the first class that fits; a status says more where these are silent
MEANINGS: tuple[tuple[type[stripe.StripeError], type[Fault], str, str], ...] = (
    (stripe.RateLimitError, TemporaryError, "throttled", ""),
    (stripe.AuthenticationError, PermanentError, "bad_credentials", ""),
    (stripe.PermissionError, PermanentError, "missing_permission", "The API key may not do this in Stripe."),
    (stripe.IdempotencyError, PermanentError, "invalid", "The idempotency key was used for another request."),
    (stripe.CardError, PermanentError, "invalid", "The payment was declined."),
    (stripe.InvalidRequestError, PermanentError, "invalid", "Stripe takes no such request."),
)


def _meaning(problem: stripe.StripeError) -> Fault:
    if problem.http_status == 409:
        return TemporaryError("not_ready", "Another request for the same is under way.", wait=1.0)
    if problem.http_status == 404 and problem.code == "resource_missing":
        return NotFound()
    for kind, fault, reason, detail in MEANINGS:
        if isinstance(problem, kind):
            return fault(reason, detail)
    return TemporaryError("unexpected_answer", "The answer is not one Stripe gives.")
