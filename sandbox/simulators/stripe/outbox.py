"""The events of the Stripe simulator: one per change, signed and sent to the endpoints."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.simulators.stripe.objects import Object, new_id

API_VERSION = "2026-10-28.endive"
SEND_SECONDS = 10
#: seconds between attempts; Stripe waits longer at first, and finally for days
RETRY_DELAYS = (0.2, 1.0, 5.0)


@dataclass(frozen=True)
class Endpoint:
    """A receiver of events. `secret`: signs its events; it starts with `whsec_`."""

    url: str
    secret: str


class Outbox:
    """The event log and its delivery. `inject(kind, type)`: whether that fault applies to an event of this type."""

    def __init__(self, inject: Callable[[str, str], bool]) -> None:
        self._inject = inject
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoints: list[Endpoint] = []
        self.events: dict[str, Object] = {}
        #: sent events, each with the status of the response; None without a response
        self.deliveries: list[dict[str, Any]] = []

    def add_endpoint(self, url: str, secret: str) -> None:
        self.endpoints.append(Endpoint(url, secret))

    def clear(self) -> None:
        """Drop undelivered events; the endpoints stay."""
        for task in self._tasks:
            task.cancel()
        self.events.clear()
        self.deliveries.clear()

    async def close(self) -> None:
        self.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def emit(self, type_: str, about: Object) -> str:
        """Record an event with the object's current state, send it, and return the event's id."""
        id_ = new_id("evt")
        self.events[id_] = {
            **{"id": id_, "object": "event", "type": type_, "api_version": API_VERSION, "livemode": False},
            **{"created": int(time.time()), "data": {"object": copy.deepcopy(about)}, "pending_webhooks": 1},
        }
        if not self._inject("event_lost", type_):
            self.send(id_)
        if self._inject("event_doubled", type_):
            self.send(id_)
        return id_

    def send(self, event_id: str) -> None:
        """Send an event, again or for the first time, to every endpoint."""
        for endpoint in self.endpoints:
            task = asyncio.get_running_loop().create_task(self._deliver(endpoint, self.events[event_id]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, endpoint: Endpoint, event: Object) -> None:
        for wait in (*RETRY_DELAYS, None):
            status = await self._attempt(endpoint, event)
            if (status is not None and 200 <= status < 300) or wait is None:
                return
            await asyncio.sleep(wait)

    async def _attempt(self, endpoint: Endpoint, event: Object) -> int | None:
        body = json.dumps(event, indent=2).encode()
        secret = "whsec_of_somebody_else" if self._inject("event_forged", event["type"]) else endpoint.secret
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(secret, int(time.time()), body),
        }
        status = await _post(endpoint.url, body, headers)
        self.deliveries.append({"event": event["id"], "type": event["type"], "url": endpoint.url, "status": status})
        return status


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the Stripe-Signature header."""
    made = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={made}"


async def _post(url: str, body: bytes, headers: dict[str, str]) -> int | None:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SEND_SECONDS)) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return None
