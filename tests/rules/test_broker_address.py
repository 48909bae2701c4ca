"""The broker's address as a URL: accepted and refused forms, and passwords that never appear."""

from __future__ import annotations

import pytest

from shared.config.addresses import BrokerAddress, Login

SENTINELS = (("one", 26379), ("two", 5000), ("::1", 26379))


@pytest.mark.parametrize("text", ["redis://host:6379/0", "rediss://:secret@host/1", " redis://host "])
def test_a_single_servers_url_is_left_as_it_is(text: str) -> None:
    assert BrokerAddress.of(text) == BrokerAddress(text.strip())


def test_every_sentinel_gets_the_masters_login_and_database() -> None:
    text = "sentinel://one; sentinel://me:p%40ss%2F@two:5000/3 ;sentinel://[::1]:26379;"
    address = BrokerAddress.of(text, "platform", Login("watcher", "other"))
    assert address.sentinels == SENTINELS
    assert (address.master, address.db) == ("platform", 3)
    assert address.login == Login("me", "p@ss/")
    assert address.sentinel_login == Login("watcher", "other")
    ends = ("one:26379/3", "two:5000/3", "[::1]:26379/3")
    assert address.url.split(";") == [f"sentinel://me:p%40ss%2F@{end}" for end in ends]


def test_a_parsed_address_is_parsed_again_to_the_same_value() -> None:
    address = BrokerAddress.of("sentinel://:p%3Ass@one/2;sentinel://two", "platform")
    assert BrokerAddress.of(address.url, "platform") == address
    assert address.login.arguments == {"password": "p:ss"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be redis://"),
        ("host:6379", "must be"),
        ("http://:secret@host", "must be redis://"),
        ("redis://:secret@host:port", "a number as port"),
        ("redis://:secret@host:0", "a number as port"),
        ("redis://:secret@host/zero", "a number as port and as db"),
        ("redis://:secret@one;redis://two", "must be redis://"),
        ("sentinel://:secret@one;redis://two", "must be redis://"),
        ("sentinel://:secret@one;sentinel://", "must be scheme://host"),
        ("sentinel://:secret@one;sentinel://:other@two", "more than one login"),
        ("sentinel://:secret@one/1;sentinel://two/2", "more than one database"),
    ],
)
def test_an_invalid_address_is_refused_without_quoting_it(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        BrokerAddress.of(text, "platform")
    assert sentence in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_sentinels_without_the_name_of_their_master_are_refused() -> None:
    with pytest.raises(ValueError, match="REDIS_SENTINEL_MASTER"):
        BrokerAddress.of("sentinel://one")


def test_no_password_shows_when_it_is_printed() -> None:
    address = BrokerAddress.of("sentinel://:secret@one", "platform", Login("watcher", "other"))
    assert "secret" not in repr(address)
    assert "other" not in repr(address)
