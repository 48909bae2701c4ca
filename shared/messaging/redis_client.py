"""Clients of the broker, whether one server or the master of Sentinels, and what Celery's transport is told of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shared.config.broker_url import BrokerAddress, Login


class SentinelArguments(Mapping[str, Any]):
    """How to speak to Sentinels. Workers tell their transport's options to whoever asks; of these nothing is told."""

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
        return "not told"


class ThreadSafeSentinel(Sentinel):
    """Safe to share between threads. redis-py's own moves the Sentinel that answered to the front of its list in place,
    and two threads that do so at once can lose one."""

    def discover_master(self, service_name: str) -> Any:
        mine = copy.copy(self)
        mine.sentinels = list(self.sentinels)
        found = Sentinel.discover_master(mine, service_name)  # type: ignore[no-untyped-call]
        self.sentinels = mine.sentinels
        return found


def connect(
    broker: BrokerAddress, *, socket_timeout: float, connect_timeout: float, health_check_interval: float = 10
) -> redis.Redis:
    """A client of whichever server is the broker now. Nothing is sent yet; it tries nothing twice. Times in seconds."""
    waits = {"socket_timeout": socket_timeout, "socket_connect_timeout": connect_timeout}
    of_server: dict[str, Any] = {**waits, "health_check_interval": health_check_interval}
    if not broker.sentinels:
        client: redis.Redis = redis.Redis.from_url(broker.url, **of_server)
        return client
    watchers: Any = ThreadSafeSentinel(broker.sentinels, sentinel_kwargs=_to_sentinels(broker, waits))  # type: ignore[no-untyped-call]
    found: redis.Redis = watchers.master_for(broker.master, db=broker.db, **broker.login.arguments, **of_server)
    return found


def transport_options(broker: BrokerAddress, *, socket_timeout: float, connect_timeout: float) -> dict[str, Any]:
    """What Celery's transport needs beside the URL. Times in seconds."""
    waits = {"socket_timeout": socket_timeout, "socket_connect_timeout": connect_timeout}
    watched = {"master_name": broker.master, "sentinel_kwargs": _to_sentinels(broker, waits)}
    return {**waits, **(watched if broker.sentinels else {})}


def broker_of(app: Celery) -> BrokerAddress:
    """The broker of a Celery application, ours or one that uses a part of ours."""
    options = app.conf.broker_transport_options
    own = options.get("sentinel_kwargs") or {}
    login = Login(own.get("username"), own.get("password"))
    return BrokerAddress.of(app.conf.broker_url, options.get("master_name"), login)


def _to_sentinels(broker: BrokerAddress, waits: dict[str, float]) -> SentinelArguments:
    # without repeats of its own: there are other Sentinels to ask, and a request may be waiting
    return SentinelArguments({**waits, **broker.sentinel_login.arguments, "retry": Retry(NoBackoff(), 0)})
