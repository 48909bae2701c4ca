"""Where a webhook may go: what its URL says, and which addresses no customer may make us speak to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = {"https": 443, "http": 80}
#: printable ASCII without the backslash: readers of URLs disagree on what stands behind one
PLAIN = re.compile(r"[!-\[\]-~]+")
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
#: all of the IPv6 internet; forms that carry an IPv4 address (mapped, NAT64, compatible) lie outside
GLOBAL_UNICAST = IPv6Network("2000::/3")
#: not for us, though some Python releases or cloud providers see them otherwise: protocol assignments (one provider's
#: metadata service is there), 6to4 relays, another provider's host agent; Teredo and the like, 6to4, documentation
CLOSED: tuple[Network, ...] = tuple(
    map(
        ip_network,
        "192.0.0.0/24 192.88.99.0/24 168.63.129.16/32 2001::/23 2002::/16 2001:db8::/32 3fff::/20".split(),
    )
)


@dataclass(frozen=True)
class Target:
    """A webhook's URL taken apart. `host`: lower case, an IPv6 address without brackets; `path`: with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        return _authority(self.host, self.port, self.scheme)

    def at(self, address: str) -> str:
        """The URL that goes to this very address."""
        return f"{self.scheme}://{_authority(address, self.port, self.scheme)}{self.path}"


def target_of(url: str) -> Target:
    """Raises ValueError with the rule the URL breaks."""
    if not PLAIN.fullmatch(url):
        raise ValueError("must be a URL of plain ASCII characters; write other ones in percent or IDNA form")
    parts = urlsplit(url)
    port = parts.port  # raises ValueError when it is no port
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("must start with https:// and name a host")
    if "@" in parts.netloc or parts.fragment or port == 0:
        raise ValueError("must hold no user name, no password, no fragment and a port that exists")
    if not (_literal(parts.hostname) or HOST.fullmatch(parts.hostname)):
        raise ValueError("must name a host by its domain name or address")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, parts.hostname, port or PORTS[parts.scheme], (parts.path or "/") + query)


@dataclass(frozen=True)
class AddressRule:
    """Public addresses may be spoken to, and those in networks that the operator allows."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Sequence[str]) -> AddressRule:
        """`networks` in CIDR form. Raises ValueError."""
        return cls(tuple(ip_network(text) for text in networks))

    def admits(self, address: str) -> bool:
        return self.is_allowed(address) or is_public(address)

    def entered(self, url: str) -> str:
        """The URL itself, when events might be sent to it. Raises ValueError with the rule it breaks.

        What a name leads to can change any day, so that is looked at before each event and not here.
        """
        target = target_of(url)
        literal = literal_address(target.host)
        if literal is not None and not self.admits(literal):
            raise ValueError("must not name an address that events are not sent to, such as a private one")
        may_be_plain = self.is_allowed(literal) if literal is not None else bool(self.allowed)
        if target.scheme != "https" and not may_be_plain:
            raise ValueError("must start with https://")
        return url

    def is_allowed(self, address: str) -> bool:
        """Whether the operator allowed it; only such an address may be spoken to without TLS."""
        found = _plain(ip_address(address))
        return _is_in(found, self.allowed)


def is_public(address: str) -> bool:
    """Whether the address is a host's on the internet: not private, loopback, link-local, shared, multicast, reserved
    or documentation, and none that stands for an IPv4 address by a tunnel or a translator."""
    found = ip_address(address)
    if _is_in(found, CLOSED):
        return False
    if isinstance(found, IPv4Address):
        return found.is_global and not found.is_multicast
    return found in GLOBAL_UNICAST and found.is_global and not found.scope_id


def literal_address(host: str) -> str | None:
    """The address that a URL's host is, or None for a name. Only the full dotted form is an IPv4 address."""
    return host if _literal(host) else None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _plain(address: Address) -> Address:
    """An IPv4 address in IPv6 clothes is that IPv4 address."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _authority(host: str, port: int, scheme: str) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port == PORTS[scheme] else f"{bracketed}:{port}"
