"""SPF (RFC 7208): whether a published policy authorises the mail server that ours authorises."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

VERSION = re.compile(r"v=spf1(?= |$)", re.IGNORECASE)
MECHANISM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(.*))?", re.IGNORECASE)
MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=([!-~]*)")
#: the length of a prefix behind a host name: for IPv4, for IPv6, or both
PREFIX = re.compile(r"(/\d{1,2})?(//\d{1,3})?$")
#: mechanisms that need an argument, and those that ask DNS; more than ten of these are an error (section 4.6.4)
WITH_ARGUMENT = frozenset({"include", "ip4", "ip6", "exists"})
ASKING = frozenset({"include", "a", "mx", "ptr", "exists"})
MAX_DNS_MECHANISMS = 10


@dataclass(frozen=True)
class Mechanism:
    """One mechanism. `qualifier`: `+`, `-`, `~` or `?`. `target`: lower case; empty for the domain itself."""

    qualifier: str
    name: str
    target: str


def is_spf(text: str) -> bool:
    """Return whether readers take a text for an SPF policy."""
    return VERSION.match(text) is not None


def authorises(wanted: str, seen: str, domain: str, mail_hosts: Collection[str]) -> bool:
    """Return whether a policy lets every server pass that the wanted one names.

    Order, other servers, and the result for all others are the domain owner's affair. `mail_hosts`: the targets of the
    MX records that we want, which count like `mx`. Servers behind an `include` or an address cannot be seen here.
    """
    asked, given = read_policy(wanted, domain), read_policy(seen, domain)
    if asked is None or given is None:
        return False
    passing = _passing_mechanisms(given)
    hosts = [Mechanism("+", "a", host) for host in mail_hosts]
    return all(
        one in passing or (one.name == "mx" and not one.target and hosts and passing.issuperset(hosts))
        for one in asked
        if one.qualifier == "+" and one.name != "all"
    )


def read_policy(text: str, domain: str) -> tuple[Mechanism, ...] | None:
    """Return the mechanisms in their order, or None for a text that is a permanent error to its readers."""
    if not is_spf(text) or not text.isascii():
        return None
    found: list[Mechanism] = []
    modifiers: list[str] = []
    for term in text.split()[1:]:
        mechanism = _mechanism(term, domain)
        modifier = MODIFIER.fullmatch(term)
        if mechanism is not None:
            found.append(mechanism)
        elif modifier is not None and modifier[1].lower() not in modifiers:
            modifiers.append(modifier[1].lower())
        elif modifier is None or modifier[1].lower() in ("redirect", "exp"):
            return None
    asking = sum(one.name in ASKING for one in found) + ("redirect" in modifiers)
    return tuple(found) if asking <= MAX_DNS_MECHANISMS else None


def _passing_mechanisms(policy: tuple[Mechanism, ...]) -> frozenset[Mechanism]:
    """Return the mechanisms that let a server pass: the first that matches decides, and `all` matches everything."""
    decided: dict[tuple[str, str], Mechanism] = {}
    for one in policy:
        if one.name == "all":
            break
        decided.setdefault((one.name, one.target), one)
    return frozenset(one for one in decided.values() if one.qualifier == "+")


def _mechanism(term: str, domain: str) -> Mechanism | None:
    found = MECHANISM.fullmatch(term)
    if found is None:
        return None
    qualifier, name, separator, argument = found[1] or "+", found[2].lower(), found[3] or "", found[4] or ""
    if not _is_argument(name, separator, argument):
        return None
    target = PREFIX.sub("", separator + argument).removeprefix(":") if name in ("a", "mx") else argument
    target = target.lower().rstrip(".")
    return Mechanism(qualifier, name, "" if target == domain else target)


def _is_argument(name: str, separator: str, argument: str) -> bool:
    if name in ("ip4", "ip6"):
        return separator == ":" and _is_network(argument, int(name[-1]))
    if name in WITH_ARGUMENT:
        return separator == ":" and bool(argument)
    if name == "all":
        return not separator
    return not separator or bool(argument)


def _is_network(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_network(text, strict=False).version == version
    except ValueError:
        return False
