"""Limit the requests of each caller, and of each address without a valid token. The counters are in Redis."""

from __future__ import annotations

import ipaddress
import math
import time

import structlog
from flask import Flask, Response, current_app, g, request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

from api.http.problem_details import Problem, problem_response
from api.http.route_spec import spec_of
from shared.config.addresses import BrokerAddress
from shared.config.settings import Settings
from shared.messaging.redis_client import connect

log = structlog.get_logger(__name__)

#: timeout of Redis, in seconds
REDIS_SECONDS = 0.25
#: after Redis has failed, this process counts locally for so many seconds before one request tries Redis again
LOCAL_SECONDS = 5.0
#: a write counts as this many requests, unless its route_spec sets another cost
WRITE_COST = 5
#: blueprint that is not limited: probes must always succeed
EXEMPT = "health"


class Counters:
    """Count the requests of this minute in all API processes. Without Redis each process counts its own."""

    def __init__(self, broker: BrokerAddress) -> None:
        client = connect(broker, socket_timeout=REDIS_SECONDS, connect_timeout=REDIS_SECONDS)
        self._shared = FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=client.connection_pool))
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._local_until = 0.0

    def seconds_to_wait(self, limit: RateLimitItem, client: str, cost: int) -> int:
        """Count a request; return 0 within the limit, else the seconds to wait."""
        if (now := time.monotonic()) >= self._local_until:
            # after a failure one request tries Redis again; meanwhile the others count here
            was_down, self._local_until = self._local_until > 0, now + LOCAL_SECONDS if self._local_until else 0.0
            try:
                found = _hit(self._shared, limit, client, cost)
            except RedisError as problem:
                self._local_until = now + LOCAL_SECONDS
                log.warning("rate_limits.counted_locally", problem=type(problem).__name__)
            else:
                self._local_until = 0.0
                if was_down:
                    log.info("rate_limits.counted_in_redis")
                return found
        return _hit(self._local, limit, client, cost)


def limit_requests(app: Flask, settings: Settings) -> None:
    """Count each request once. Call after the guard is registered: it identifies the caller."""
    counters = Counters(settings.broker)
    of_caller = RateLimitItemPerMinute(settings.caller_requests_per_minute)
    of_address = RateLimitItemPerMinute(settings.address_requests_per_minute)

    def refusal() -> Problem | None:
        if g.get("is_counted") or request.blueprint == EXEMPT:
            return None
        g.is_counted = True
        client, limit = _client(), of_caller if "caller" in g else of_address
        wait = counters.seconds_to_wait(limit, client, _cost())
        if not wait:
            return None
        log.info("request.limited", client=client, wait=wait)
        detail = f"Too many requests in this minute; try again in {wait} s."
        return Problem(429, "too_many_requests", detail, retryable=True, headers={"Retry-After": str(wait)})

    @app.before_request
    def check() -> None:
        if (found := refusal()) is not None:
            raise found

    @app.after_request
    def check_refused(response: Response) -> Response:
        """Count a request that the guard refused, by its address, since its caller is unknown."""
        found = refusal()
        return response if found is None else problem_response(found)


def _hit(counters: FixedWindowRateLimiter, limit: RateLimitItem, client: str, cost: int) -> int:
    if counters.hit(limit, "api", client, cost=cost):
        return 0
    return max(1, math.ceil(counters.get_window_stats(limit, "api", client).reset_time - time.time()))


def _client() -> str:
    """Return the key that the request counts for: the caller, or the address without a valid token."""
    if "caller" in g:
        return f"caller {g.caller.subject}"
    return f"address {_network(request.remote_addr or '')}"


def _network(address: str) -> str:
    """Return the address, or the /64 of an IPv6 address: one host may use all of it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(found if found.version == 4 else ipaddress.ip_network((found, 64), strict=False))


def _cost() -> int:
    spec = spec_of(current_app, request.endpoint) if request.endpoint else None
    if spec is not None and spec.cost is not None:
        return spec.cost
    return 1 if request.method in ("GET", "HEAD", "OPTIONS") else WRITE_COST
