"""Limit how often one caller, and one address without a valid token, may ask. The counters are in Redis."""

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
from shared.config.broker_url import BrokerAddress
from shared.config.settings import Settings
from shared.messaging.redis_client import connect

log = structlog.get_logger(__name__)

#: how long Redis may take, in seconds
REDIS_SECONDS = 0.25
#: how long this process counts by itself after Redis has failed, until one request tries it again, in seconds
LOCAL_SECONDS = 5.0
#: how many requests one counts as that changes something; a route may say otherwise
WRITE_COST = 5
#: probes must not be refused
EXEMPT = "health"


class Counters:
    """Requests in this minute, of all API processes. Without Redis each process counts its own: nobody is shut out."""

    def __init__(self, broker: BrokerAddress) -> None:
        client = connect(broker, socket_timeout=REDIS_SECONDS, connect_timeout=REDIS_SECONDS)
        self._shared = FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=client.connection_pool))
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._local_until = 0.0

    def seconds_to_wait(self, limit: RateLimitItem, asker: str, cost: int) -> int:
        """Count a request; 0 when it is within the limit, else how long its asker must wait."""
        if (now := time.monotonic()) >= self._local_until:
            # one request tries Redis after a failure; meanwhile, and if it fails, the others count here
            was_down, self._local_until = self._local_until > 0, now + LOCAL_SECONDS if self._local_until else 0.0
            try:
                found = _hit(self._shared, limit, asker, cost)
            except RedisError as problem:
                self._local_until = now + LOCAL_SECONDS
                log.warning("rate_limits.counted_locally", problem=type(problem).__name__)
            else:
                self._local_until = 0.0
                if was_down:
                    log.info("rate_limits.counted_in_redis")
                return found
        return _hit(self._local, limit, asker, cost)


def limit_requests(app: Flask, settings: Settings) -> None:
    """Count each request once. Call after the guard is in place: it tells who is asking."""
    counters = Counters(settings.broker)
    of_caller = RateLimitItemPerMinute(settings.caller_requests_per_minute)
    of_address = RateLimitItemPerMinute(settings.address_requests_per_minute)

    def refusal() -> Problem | None:
        if g.get("is_counted") or request.blueprint == EXEMPT:
            return None
        g.is_counted = True
        asker, limit = _asker(), of_caller if "caller" in g else of_address
        wait = counters.seconds_to_wait(limit, asker, _cost())
        if not wait:
            return None
        log.info("request.limited", asker=asker, wait=wait)
        detail = f"Too many requests in this minute; try again in {wait} s."
        return Problem(429, "too_many_requests", detail, retryable=True, headers={"Retry-After": str(wait)})

    @app.before_request
    def check() -> None:
        if (found := refusal()) is not None:
            raise found

    @app.after_request
    def check_refused(response: Response) -> Response:
        """Count a request that the guard refused, too: by its address, as nobody knows its caller."""
        found = refusal()
        return response if found is None else problem_response(found)


def _hit(counters: FixedWindowRateLimiter, limit: RateLimitItem, asker: str, cost: int) -> int:
    if counters.hit(limit, "api", asker, cost=cost):
        return 0
    return max(1, math.ceil(counters.get_window_stats(limit, "api", asker).reset_time - time.time()))


def _asker() -> str:
    """Whom the request counts for: the caller, or the address of somebody who has no valid token."""
    if "caller" in g:
        return f"caller {g.caller.subject}"
    return f"address {_network(request.remote_addr or '')}"


def _network(address: str) -> str:
    """The address, or of IPv6 its /64: one host may use any address of that."""
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
