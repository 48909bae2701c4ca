"""Connect to the broker, one server or the master of Sentinels, and configure Celery's transport for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shared.config.addresses import BrokerAddress, Login


class SentinelArguments(Mapping[str, Any]):
    """Arguments for connections to Sentinels. Its repr hides them, because workers publish their transport options."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = dict(given)

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __repr__(self) -> str:
        return "SentinelArguments(...)"

    def __json__(self) -> str:
        return "hidden"


class ThreadSafeSentinel(Sentinel):
    """A Sentinel client that is safe to share between threads.

    redis-py moves the Sentinel that answered to the front of its list in place, and two threads that do so at the same
    time can lose an entry. This class replaces the list instead.
    """

    def discover_master(self, service_name: str) -> Any:
        own_copy = copy.copy(self)
        own_copy.sentinels = list(self.sentinels)
        found = Sentinel.discover_master(own_copy, service_name)  # type: ignore[no-untyped-call]
        self.sentinels = own_copy.sentinels
        return found


def connect(
    broker: BrokerAddress, *, socket_timeout: float, connect_timeout: float, health_check_interval: float = 10
) -> redis.Redis:
    """Return a client of the current broker that does not retry and connects at first use. Times in seconds."""
    timeouts = {"socket_timeout": socket_timeout, "socket_connect_timeout": connect_timeout}
    arguments: dict[str, Any] = {**timeouts, "health_check_interval": health_check_interval}
    if not broker.sentinels:
        client: redis.Redis = redis.Redis.from_url(broker.url, **arguments)
        return client
    sentinels: Any = ThreadSafeSentinel(broker.sentinels, sentinel_kwargs=_sentinel_arguments(broker, timeouts))  # type: ignore[no-untyped-call]
    master: redis.Redis = sentinels.master_for(broker.master, db=broker.db, **broker.login.arguments, **arguments)
    return master


def transport_options(broker: BrokerAddress, *, socket_timeout: float, connect_timeout: float) -> dict[str, Any]:
    """Return the options of Celery's transport for this broker. Times in seconds."""
    timeouts = {"socket_timeout": socket_timeout, "socket_connect_timeout": connect_timeout}
    if not broker.sentinels:
        return dict(timeouts)
    return {**timeouts, "master_name": broker.master, "sentinel_kwargs": _sentinel_arguments(broker, timeouts)}


def broker_address(app: Celery) -> BrokerAddress:
    """Return the broker's address from the configuration of a Celery application."""
    options = app.conf.broker_transport_options
    own = options.get("sentinel_kwargs") or {}
    login = Login(own.get("username"), own.get("password"))
    return BrokerAddress.of(app.conf.broker_url, options.get("master_name"), login)


def _sentinel_arguments(broker: BrokerAddress, timeouts: dict[str, float]) -> SentinelArguments:
    # without retries, because there are other Sentinels to ask and a request may be waiting
    return SentinelArguments({**timeouts, **broker.sentinel_login.arguments, "retry": Retry(NoBackoff(), 0)})
