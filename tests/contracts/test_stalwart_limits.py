"""Check Stalwart's limits for callers: requests in flight, keys that end, bans of addresses.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contracts.jmap_calls import USING, Jmap
from tests.contracts.real_or_simulator import Server

#: documentation addresses (RFC 5737)
BANNED, GUESSING = "203.0.113.7", "203.0.113.8"


@pytest.fixture
def forwarded(jmap: Jmap) -> Iterator[None]:
    """The server believes X-Forwarded-For, as loopback addresses are exempt from bans and limits."""
    before = jmap.get("Http", "singleton", "useXForwarded")["useXForwarded"]
    assert jmap.change("Http", "singleton", useXForwarded=True) is None
    jmap.act("ReloadSettings")
    yield
    assert jmap.change("Http", "singleton", useXForwarded=before) is None
    jmap.act("ReloadSettings")


def at_once(server: Server, count: int) -> list[Any]:
    """Send slow requests, all at the same time."""
    body = {"using": USING, "methodCalls": [["x:Domain/query", {}, str(number)] for number in range(16)]}
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: server("POST", "/jmap/", json=body), range(count)))


def test_a_key_without_unlimited_requests_has_four_in_flight(jmap: Jmap) -> None:
    """Seen: key with it disabled: 4x200, 12x400. The 400 has `RateLimit-Policy: "concurrent-requests";q=4`,
    `RateLimit` headers, no Retry-After.
    """
    _, secret = jmap.key(**{"@type": "Disable", "permissions": {"unlimitedRequests": True}})
    answers = at_once(jmap.server.caller(token=secret), 16)
    refused = [answer for answer in answers if answer.status_code == 400]
    assert {answer.status_code for answer in answers} == {200, 400}
    for answer in refused:
        assert answer.json()["limit"] == "maxConcurrentRequests"
        assert answer.headers["RateLimit-Policy"] == '"concurrent-requests";q=4'
        assert "RateLimit" in answer.headers
        assert "Retry-After" not in answer.headers


def test_a_key_with_unlimited_requests_has_no_such_limit(jmap: Jmap) -> None:
    """Seen: not with `unlimitedRequests` (System Administrator, Inherit): 16 of 16 200."""
    _, secret = jmap.key()
    assert [answer.status_code for answer in at_once(jmap.server.caller(token=secret), 16)] == [200] * 16


def test_a_key_that_is_destroyed_is_unknown_at_once_although_it_was_used(jmap: Jmap) -> None:
    """Seen: revoked key: 401 at once, destroyed or expired, though used before."""
    _, secret = jmap.key()
    keeper = Jmap(jmap.server.caller(token=secret))
    (key,) = [one["id"] for one in keeper(["x:ApiKey/get", {"properties": ["id"]}])["list"]]
    keeper.set("ApiKey", destroy=[key])
    assert keeper.send(["x:Domain/query", {}]).status_code == 401


def test_a_key_that_expires_is_unknown_at_once_although_it_was_used(jmap: Jmap) -> None:
    """Seen: revoked key: 401 at once, destroyed or expired, though used before."""
    _, secret = jmap.key()
    keeper = Jmap(jmap.server.caller(token=secret))
    (key,) = [one["id"] for one in keeper(["x:ApiKey/get", {"properties": ["id"]}])["list"]]
    assert keeper.change("ApiKey", key, expiresAt="2020-01-01T00:00:00Z") is None
    assert keeper.send(["x:Domain/query", {}]).status_code == 401


def test_no_account_is_created_with_more_permissions_than_the_callers(jmap: Jmap) -> None:
    """Seen: right as written: grant rule. A narrow Replace key cannot make mailboxes."""
    narrow = {"authenticate": True, "sysDomainGet": True, "sysAccountCreate": True, "sysAccountGet": True}
    _, secret = jmap.key(**{"@type": "Replace", "permissions": narrow})
    _, domain = jmap.domain()
    keeper = Jmap(jmap.server.caller(token=secret))
    error = keeper.refusal("Account", **{"@type": "User"}, name="anna", domainId=domain)
    assert (error["type"], "not authorized to grant" in error["description"]) == ("forbidden", True)


def test_a_banned_address_gets_403_for_everything_until_the_ban_is_destroyed_and_reloaded(
    jmap: Jmap, forwarded: None
) -> None:
    """Seen: unban = destroy BlockedIp AND ReloadBlockedIps."""

    def asked() -> list[int]:
        headers = {"X-Forwarded-For": BANNED}
        everybody = jmap.server.caller()("GET", "/jmap/session", headers=headers)
        return [jmap.server("GET", "/jmap/session", headers=headers).status_code, everybody.status_code]

    assert asked() == [200, 200]
    ban = jmap.create("BlockedIp", address=BANNED)
    jmap.act("ReloadBlockedIps")
    assert asked() == [403, 403]
    assert jmap.destroy("BlockedIp", ban) is None
    assert asked() == [403, 403]
    jmap.act("ReloadBlockedIps")
    assert asked() == [200, 200]


def test_credentials_that_do_not_parse_bring_429_and_never_a_ban(jmap: Jmap, forwarded: None) -> None:
    """Seen: only credentials that parse count: a garbage bearer (`API_wrong`) got no ban; anonymous limit 100/min
    gives 429 first.
    """
    wrong = jmap.server.caller(token="API_wrong")
    headers = {"X-Forwarded-For": GUESSING}
    seen = [wrong("GET", "/api/account", headers=headers).status_code for _ in range(130)]
    assert set(seen) == {401, 429}
    assert seen[:50] == [401] * 50
    assert jmap.ids("BlockedIp", address=GUESSING) == []


def test_wrong_credentials_from_loopback_are_neither_limited_nor_banned(jmap: Jmap) -> None:
    """Seen: loopback exempt: 130 wrong ones without a 429."""
    if "127.0.0.1" not in jmap.server.url:
        pytest.skip("this server is not on loopback")
    wrong = jmap.server.caller(basic=("nobody@platform.test", "wrong-password"))
    assert {wrong("GET", "/api/account").status_code for _ in range(130)} == {401}
    assert jmap.server("GET", "/api/account").status_code == 200


def test_the_recovery_administrator_signs_in_and_cannot_own_a_key(stalwart_recovery: Jmap) -> None:
    """Seen: "The recovery administrator cannot own a key, but its user and password work." """
    assert stalwart_recovery.ids("Domain") is not None
    key = {"description": "contract", "permissions": {"@type": "Inherit"}}
    assert "notCreated" in stalwart_recovery.set("ApiKey", create={"k": key})
