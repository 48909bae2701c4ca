"""SPF (RFC 7208): whether a published policy authorises the mail servers that ours authorises."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from shared.domains.spf_syntax import Mechanism, is_spf, read_terms

#: mechanisms that ask DNS; more than ten of them are an error (section 4.6.4)
ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
MAX_DNS_MECHANISMS = 10
#: macros that stand for the domain itself, in mail from its own addresses, or for as many labels of its end
OWN_NAME = re.compile(r"%\{[do]([0-9]{0,3})\}", re.IGNORECASE)

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Server:
    """A server to authorise: the mechanisms (name, target) that match it, or its addresses."""

    names: frozenset[tuple[str, str]]
    network: Network | None = None


def authorises(wanted: str, seen: str, domain: str, mail_hosts: Collection[str]) -> bool:
    """Return whether a policy lets every server pass that the wanted one names.

    The first mechanism that matches a server decides (section 4.6.2); other servers are the domain owner's affair.
    `mail_hosts`: the targets of the MX records that we want. Which servers stand behind another name, an `include` or
    an address cannot be seen here, so these match only what the wanted policy names in the same way.
    """
    asked, given = read_policy(wanted, domain), read_policy(seen, domain)
    if asked is None or given is None:
        return False
    servers = [
        server
        for one in asked
        if one.qualifier == "+" and one.name != "all"
        for server in _servers(one, frozenset(mail_hosts))
    ]
    return all(_passes(given, server, family) for server in servers for family in _families(server))


def read_policy(text: str, domain: str) -> tuple[Mechanism, ...] | None:
    """Return the mechanisms up to `all`, with `redirect` as the last; None for a permanent error to its readers."""
    terms = read_terms(text) if is_spf(text) else None
    if terms is None:
        return None
    names = [one.name for one in terms]
    # whatever follows `all` is ignored (section 5.1), and `redirect` counts only without it (section 6.1)
    used = terms[: names.index("all") + 1] if "all" in names else terms
    if sum(one.name in ASKING for one in used) > MAX_DNS_MECHANISMS:
        return None
    return tuple(replace(one, target=_host(one.target, domain)) for one in used)


def _host(target: str, domain: str) -> str:
    """Return a target in lower case; empty for the domain itself."""
    labels = domain.split(".")
    host = OWN_NAME.sub(lambda macro: ".".join(labels[-int(macro[1] or 0) :]), target).lower().removesuffix(".")
    return "" if host == domain else host


def _servers(one: Mechanism, mail_hosts: frozenset[str]) -> list[Server]:
    """Return the servers that a wanted mechanism names."""
    if one.name == "mx" and not one.target and mail_hosts:
        return [Server(frozenset({("mx", ""), ("a", host)})) for host in mail_hosts]
    names = {(one.name, one.target)}
    if one.name == "a" and one.target in mail_hosts:
        names.add(("mx", ""))
    return [Server(frozenset(names), _network(one))]


def _families(server: Server) -> tuple[int, ...]:
    """Return the versions of IP over which a server may send."""
    return (4, 6) if server.network is None else (server.network.version,)


def _passes(policy: tuple[Mechanism, ...], server: Server, family: int) -> bool:
    deciding = next((one for one in policy if _matches(one, server, family)), None)
    return deciding is not None and deciding.qualifier == "+"


def _matches(one: Mechanism, server: Server, family: int) -> bool:
    if one.name == "all":
        return True
    network = _network(one)
    if network is None:
        return (one.name, one.target) in server.names or one.prefix_length(family) == 0
    if network.version != family:
        return False
    return network.prefixlen == 0 or (server.network is not None and _covers(one, network, server.network))


def _covers(one: Mechanism, network: Network, servers: Network) -> bool:
    """Return whether a mechanism decides about the servers: it lets all of them pass, or does not let one."""
    if one.qualifier != "+":
        return network.overlaps(servers)
    return network.prefixlen <= servers.prefixlen and network.overlaps(servers)


def _network(one: Mechanism) -> Network | None:
    if one.name not in ("ip4", "ip6"):
        return None
    length = one.prefix_length(int(one.name[-1]))
    return ip_network(one.target if length is None else f"{one.target}/{length}", strict=False)
