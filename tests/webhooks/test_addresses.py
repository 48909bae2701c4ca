"""Addresses and URLs that webhooks may use: a table, most of it traps."""

from __future__ import annotations

import pytest

from shared.core.address_rules import AddressRule, Target, is_public, target_of


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "192.0.1.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_addresses_of_hosts_on_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1
    2001::1 2001:0:7f00:1:: 2001:db8::1 2002:7f00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
    fec0::1 ff02::1 ff0e::1 4000::1
    """.split(),
)
def test_all_other_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert not AddressRule().allows(address)


def test_an_operator_may_allow_networks_and_a_mapped_address_counts_as_its_ipv4_address() -> None:
    rule = AddressRule.of(["127.0.0.0/8", "fd00::/8"])
    assert all(rule.allows(address) for address in ("127.0.0.1", "::ffff:127.0.0.1", "fd00::1", "8.8.8.8"))
    assert not any(rule.allows(address) for address in ("10.0.0.1", "::1", "fe80::1"))
    assert not rule.is_allowlisted("8.8.8.8")


@pytest.mark.parametrize("network", ["127.0.0.1/8", "localhost", ""])
def test_an_invalid_network_stops_the_start(network: str) -> None:
    with pytest.raises(ValueError):
        AddressRule.of([network])


def test_a_url_is_parsed_and_rebuilt_with_its_address() -> None:
    target = target_of("https://Hooks.Acme.test:8443/a/b?c=d")
    assert target == Target("https", "hooks.acme.test", 8443, "/a/b?c=d")
    assert (target.authority, target.url_at("192.0.2.1")) == ("hooks.acme.test:8443", "https://192.0.2.1:8443/a/b?c=d")
    assert target_of("https://acme.test").url_at("2001:db8::1") == "https://[2001:db8::1]/"
    assert target_of("http://[::1]:80/").authority == "[::1]"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme.test",
        "//acme.test/",
        "ftp://acme.test/",
        "file:///etc/passwd",
        "gopher://acme.test/",
        "https://",
        "https:///path",
        "https://user@acme.test/",
        "https://user:password@acme.test/",
        "https://@acme.test/",
        "https://acme.test/#part",
        "https://acme.test:0/",
        "https://acme.test:99999/",
        "https://acme.test:x/",
        "https://acme.test\\@127.0.0.1/",
        "https://acme.test/\r\nX: y",
        "https://acme.test /",
        " https://acme.test/",
        "https://äcme.test/",
        "https://acme%2etest/",
        "https://[::1/",
        "https://[acme.test]/",
        "https://a,b/",
    ],
)
def test_a_url_with_anything_odd_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        target_of(url)


@pytest.mark.parametrize(
    "url", ["https://hooks.acme.test/take?key=1", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/"]
)
def test_a_url_that_may_lead_to_the_internet_may_be_entered(url: str) -> None:
    assert AddressRule().validate_url(url) == url


@pytest.mark.parametrize(
    "url", ["http://hooks.acme.test/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/"]
)
def test_a_url_without_encryption_or_to_a_private_address_may_not_be_entered(url: str) -> None:
    with pytest.raises(ValueError):
        AddressRule().validate_url(url)


def test_in_allowed_networks_urls_without_encryption_or_to_private_addresses_may_be_entered() -> None:
    rule = AddressRule.of(["127.0.0.0/8"])
    for url in ("http://127.0.0.1:8000/", "https://127.0.0.1/", "http://hooks.acme.test/"):
        assert rule.validate_url(url) == url
    with pytest.raises(ValueError):
        rule.validate_url("http://8.8.8.8/")
