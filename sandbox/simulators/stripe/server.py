"""The simulator of Stripe: API keys, idempotency keys, objects, and an event for every change."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any

from aiohttp import web

from sandbox.simulators.server import Simulator
from sandbox.simulators.stripe import reading
from sandbox.simulators.stripe.forms import StripeError, no_such, parsed
from sandbox.simulators.stripe.idempotency import Keys
from sandbox.simulators.stripe.objects import ENDED, Object, Objects, new_id, price_object
from sandbox.simulators.stripe.outbox import API_VERSION, Outbox

Params = Mapping[str, Any]
View = Callable[[Params, str], Object]
#: status, body, and whether the response is a saved one
Answered = tuple[int, Object, bool]

#: faults that refuse a request before it starts: status, message, code
REFUSALS: Mapping[str, tuple[int, str, str | None]] = {
    "key_in_use": (409, "In progress.", "idempotency_key_in_use"),
    "lock_timeout": (429, "This object cannot be accessed right now.", "lock_timeout"),
    "no_permission": (403, "The provided key does not have the required permissions.", None),
}


class StripeSimulator(Simulator):
    """Own faults: `saved_500` (not executed; the error is saved for the idempotency key), `made_500` (executed; the
    error is saved), `key_in_use` (409), `lock_timeout` (429), `card_declined` (402), `no_permission` (403), `slow`
    (`delay` seconds, with the key in use meanwhile).

    Faults of events, with the event's type as `path`: `event_lost`, `event_doubled`, `event_forged`.
    """

    product = "stripe"
    own_faults = frozenset(
        {*REFUSALS, *("saved_500", "made_500", "card_declined", "slow", "event_lost", "event_doubled", "event_forged")}
    )

    def __init__(self, *, api_key: str, prices: Sequence[str] = ("price_starter",), search_lag: float = 60.0) -> None:
        super().__init__()
        self._api_key, self._prices = api_key, prices
        self.search_lag = search_lag
        self._working: set[asyncio.Task[Answered]] = set()
        self.outbox = Outbox(lambda kind, type_: self.faults.inject([kind], "EVENT", type_) is not None)
        self.reset()
        self.app.cleanup_ctx.append(self._close_outbox)
        for method, path, view in self._table():
            self.app.router.add_route(method, f"/v1/{path}", self._guard(view))
        self.app.router.add_route("*", "/{rest:.*}", self._guard(_no_such_url))

    def _table(self) -> list[tuple[str, str, View]]:
        return [
            ("GET", "customers", lambda params, _: reading.customers(self.objects, params)),
            ("GET", "customers/search", lambda params, _: reading.search(self.objects, params, self.search_lag)),
            ("GET", "customers/{id}", lambda _, id_: self.objects.customer(id_)),
            ("POST", "customers", lambda params, _: self.objects.create_customer(params)),
            ("POST", "customers/{id}", lambda params, id_: self.objects.update_customer(id_, params)),
            ("DELETE", "customers/{id}", lambda _, id_: self.objects.delete_customer(id_)),
            ("GET", "customers/{customer}/tax_ids", lambda params, _: reading.tax_ids(self.objects, params)),
            ("POST", "customers/{customer}/tax_ids", lambda params, _: self.objects.create_tax_id(params)),
            ("DELETE", "customers/{customer}/tax_ids/{id}", lambda _, id_: self.objects.delete_tax_id(id_)),
            ("GET", "subscriptions", lambda params, _: reading.subscriptions(self.objects, params)),
            ("GET", "subscriptions/{id}", lambda _, id_: self.objects.subscription(id_)),
            ("POST", "subscriptions", lambda params, _: self.objects.create_subscription(params)),
            ("POST", "subscriptions/{id}", lambda params, id_: self.objects.update_subscription(id_, params)),
            ("DELETE", "subscriptions/{id}", lambda _, id_: self.objects.cancel_subscription(id_)),
            ("GET", "prices/{id}", lambda _, id_: self._price(id_)),
            ("GET", "events", lambda params, _: reading.page(list(self.outbox.events.values()), params, "/v1/events")),
            ("GET", "events/{id}", lambda _, id_: self._event(id_)),
        ]

    def reset(self) -> None:
        self.objects, self.keys = Objects(set(self._prices)), Keys()
        self.outbox.clear()

    def current_state(self) -> dict[str, Any]:
        return {
            "customers": list(self.objects.customers.values()),
            "subscriptions": list(self.objects.subscriptions.values()),
            "events": list(self.outbox.events.values()),
            "deliveries": self.outbox.deliveries,
        }

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "add_endpoint": self.outbox.add_endpoint,
            "send_event": self.outbox.send,
            "set_status": self.set_status,
            "attach_card": self.attach_card,
            "add_price": self.add_price,
            "set_search_lag": self.set_search_lag,
            "revoke_key": self.revoke_key,
        }

    def set_status(self, subscription: str, status: str) -> str:
        """Change a subscription's status like the passing of time or a payment would. Returns the event's id."""
        found = self.objects.subscription(subscription)
        found["status"] = status
        ended = status in ENDED
        return self.outbox.emit(f"customer.subscription.{'deleted' if ended else 'updated'}", found)

    def attach_card(self, customer: str) -> None:
        """Add a card to the customer, so that it can be charged."""
        self.objects.with_card.add(customer)

    def add_price(self, price: str) -> None:
        self.objects.prices.add(price)

    def set_search_lag(self, seconds: float) -> None:
        self.search_lag = seconds

    def revoke_key(self) -> None:
        """Invalidate our API key, as after its rotation."""
        self._api_key = ""

    async def _close_outbox(self, app: web.Application) -> AsyncIterator[None]:
        yield
        await self.outbox.close()

    def _price(self, id_: str) -> Object:
        if id_ not in self.objects.prices:
            raise no_such("price", id_)
        return price_object(id_)

    def _event(self, id_: str) -> Object:
        if id_ not in self.outbox.events:
            raise no_such("event", id_)
        return self.outbox.events[id_]

    # -- how

    def _guard(self, view: View) -> Callable[[web.Request], Any]:
        async def guarded(request: web.Request) -> web.Response:
            headers = {
                "Request-Id": new_id("req"),
                "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
            }
            try:
                self._admit(request)
                status, body, replayed = await self._finish(self._answer_once(request, view))
            except StripeError as error:
                status, body, replayed = error.status, error.body, False
            if replayed:
                headers["Idempotent-Replayed"] = "true"
            return web.json_response(body, status=status, headers=headers)

        return guarded

    async def _finish(self, work: Coroutine[Any, Any, Answered]) -> Answered:
        """Finish a started request even if its caller disconnects."""
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    def _admit(self, request: web.Request) -> None:
        given = _key_of(request.headers.get("Authorization", ""))
        if not self._api_key or not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise StripeError(401, "Invalid API Key provided.")
        for kind, refusal in REFUSALS.items():
            if self._is(kind, request):
                raise StripeError(*refusal)

    async def _answer_once(self, request: web.Request, view: View) -> Answered:
        body = await request.read()
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key is None:
            return (*self._perform(request, view, body), False)
        asked = (key, request.method, request.path, body)
        saved = self.keys.find(*asked)
        if saved is not None:
            return (*saved, True)
        with self.keys.held(key):
            await self._delay(request)
            # a request with invalid parameters has not started, so its StripeError is not saved
            response = self._perform(request, view, body)
        self.keys.save(*asked, response)
        return (*response, False)

    def _perform(self, request: web.Request, view: View, body: bytes) -> tuple[int, Object]:
        params = dict(parsed(body.decode() if request.method == "POST" else request.query_string))
        if "customer" in request.match_info:
            params["customer"] = request.match_info["customer"]
        if self._is("saved_500", request):
            return 500, StripeError(500, "An unknown error occurred.", "api_error").body
        if self._is("card_declined", request):
            return 402, StripeError(402, "Your card was declined.", "card_declined").body
        found = view(params, request.match_info.get("id", ""))
        if request.method != "GET":
            self._emit_event(request, found)
        if self._is("made_500", request):
            return 500, StripeError(500, "An unknown error occurred.", "api_error").body
        return 200, reading.expand(self.objects, found, params.get("expand"))

    async def _delay(self, request: web.Request) -> None:
        fault = self.faults.inject(["slow"], request.method, request.path_qs)
        if fault is not None:
            await asyncio.sleep(fault.delay or 1.0)

    def _emit_event(self, request: web.Request, changed: Object) -> None:
        kind = {"customer": "customer", "subscription": "customer.subscription", "tax_id": "customer.tax_id"}[
            changed["object"]
        ]
        act = {"POST": "updated" if "id" in request.match_info else "created", "DELETE": "deleted"}[request.method]
        self.outbox.emit(f"{kind}.{act}", changed)

    def _is(self, kind: str, request: web.Request) -> bool:
        return self.faults.inject([kind], request.method, request.path_qs) is not None


def _key_of(authorization: str) -> str:
    """Return the API key from a bearer token or the user name of HTTP Basic."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return credentials
    try:
        return base64.b64decode(credentials).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def _no_such_url(params: Params, id_: str) -> Object:
    raise StripeError(404, "Unrecognized request URL.")
