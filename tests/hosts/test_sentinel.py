"""The broker as a master with a replica, watched by three Sentinels: it dies and fails over while work continues."""

from __future__ import annotations

from collections.abc import Callable

import redis

from shared.config.addresses import BrokerAddress, Login
from shared.messaging.redis_client import ThreadSafeSentinel, connect
from tests.api.conftest import Client, Issuer
from tests.end_to_end.conftest import Platform
from tests.hosts.clusters import WatchedValkey
from tests.hosts.conftest import (
    SENTINEL_PASSWORD,
    SERVER_PASSWORD,
    SignUps,
    every_tenant_is_active,
    every_tenant_is_whole,
    readiness,
    tokens_of,
)
from tests.waiting import until


def test_publishing_and_work_continue_at_the_new_master_after_a_crash_or_a_failover(
    watched: WatchedValkey,
    sentinel_settings: dict[str, str],
    make_platform: Callable[..., Platform],
    issuer: Issuer,
    operator: Callable[[str], Client],
) -> None:
    platform = make_platform(watched.url, **sentinel_settings, **tokens_of(issuer))
    url = platform.start_api()
    worker = platform.start_worker()
    scheduler = platform.start_scheduler()
    platform.until_ready(url)
    with SignUps(operator(url)) as sign_ups:
        sign_ups.wait_for(4)
        watched.master.kill()
        until(lambda: watched.master_port() == watched.replica.port)
        until(lambda: readiness(url) == (200, {"mongodb": "up", "broker": "up"}))
        sign_ups.wait_for(2)
        every_tenant_is_active(platform, sign_ups.accepted[:])
        watched.master.start()
        until(watched.promote_replica)
        until(lambda: watched.master_port() == watched.master.port)
        sign_ups.wait_for(4)
    every_tenant_is_whole(platform, sign_ups.accepted)
    # the outage of the broker affected no request
    assert set(sign_ups.answers) <= {201, "unanswered"}
    assert all(process.poll() is None for process in (worker, scheduler)), platform.logs()[-4000:]
    assert SERVER_PASSWORD not in platform.logs()
    assert SENTINEL_PASSWORD not in platform.logs()


def test_a_sentinel_that_is_down_delays_no_request(watched: WatchedValkey) -> None:
    dead, *others = (f"127.0.0.1:{port}" for port in (1, *watched.ports))
    text = ";".join(f"sentinel://:{'p%3Aw%40of%2Fservers'}@{one}/3" for one in (dead, *others))
    address = BrokerAddress.of(text, "dezky", Login(None, SENTINEL_PASSWORD))
    with connect(address, socket_timeout=1, connect_timeout=1) as client:
        client.set("where", "here")
    with redis.Redis(port=watched.master_port(), password=SERVER_PASSWORD, db=3) as direct:
        assert direct.get("where") == b"here"
    watchers = client.connection_pool.sentinel_manager
    assert isinstance(watchers, ThreadSafeSentinel)
    # redis-py's usual three, with seconds between them, would keep a request waiting
    assert [one.get_retry().get_retries() for one in watchers.sentinels] == [0, 0, 0, 0]
