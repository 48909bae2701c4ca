"""Rules for webhook URLs: their form, and the IP addresses that may be contacted (protection against SSRF)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = {"https": 443, "http": 80}
#: printable ASCII without the backslash, because URL parsers disagree about the text after one
PRINTABLE_ASCII = re.compile(r"[!-\[\]-~]+")
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
#: all public IPv6 addresses; forms that carry an IPv4 address (mapped, NAT64, compatible) are outside
GLOBAL_UNICAST = IPv6Network("2000::/3")
#: refused although some Python releases call them global: protocol assignments (with one cloud provider's metadata
#: service), 6to4 relays, another provider's host agent; Teredo and similar, 6to4, documentation
NOT_PUBLIC: tuple[Network, ...] = tuple(
    map(
        ip_network,
        "192.0.0.0/24 192.88.99.0/24 168.63.129.16/32 2001::/23 2002::/16 2001:db8::/32 3fff::/20".split(),
    )
)


@dataclass(frozen=True)
class Target:
    """A parsed webhook URL. `host`: lower case, an IPv6 address without brackets; `path`: with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        return _authority(self.host, self.port, self.scheme)

    def url_at(self, address: str) -> str:
        """Return the URL with this IP address in place of the host."""
        return f"{self.scheme}://{_authority(address, self.port, self.scheme)}{self.path}"


def target_of(url: str) -> Target:
    """Parse and check a webhook's URL. Raises ValueError with the rule that it breaks."""
    if not PRINTABLE_ASCII.fullmatch(url):
        raise ValueError("must be a URL of printable ASCII characters; encode others with percent or IDNA encoding")
    parts = urlsplit(url)
    port = parts.port  # raises ValueError for an invalid port
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("must start with https:// and name a host")
    if "@" in parts.netloc or parts.fragment or port == 0:
        raise ValueError("must have no user name, no password, no fragment and a valid port")
    if not (_literal(parts.hostname) or HOST.fullmatch(parts.hostname)):
        raise ValueError("must name a host by its domain name or address")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, parts.hostname, port or PORTS[parts.scheme], (parts.path or "/") + query)


@dataclass(frozen=True)
class AddressRule:
    """Allows public addresses and addresses in networks that the operator allows."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Sequence[str]) -> AddressRule:
        """Make the rule from networks in CIDR form. Raises ValueError."""
        return cls(tuple(ip_network(text) for text in networks))

    def allows(self, address: str) -> bool:
        """Return whether events may be sent to this IP address."""
        return self.is_allowlisted(address) or is_public(address)

    def validate_url(self, url: str) -> str:
        """Return the URL unchanged if it may be registered. Raises ValueError with the rule that it breaks.

        Host names are not resolved here: DNS can change later, so each delivery checks the addresses again.
        """
        target = target_of(url)
        literal = literal_address(target.host)
        if literal is not None and not self.allows(literal):
            raise ValueError("must not contain a private or other non-public IP address")
        may_be_plain = self.is_allowlisted(literal) if literal is not None else bool(self.allowed)
        if target.scheme != "https" and not may_be_plain:
            raise ValueError("must start with https://")
        return url

    def is_allowlisted(self, address: str) -> bool:
        """Return whether the operator allows the address; only such an address may be contacted without TLS."""
        found = _unmap(ip_address(address))
        return _is_in(found, self.allowed)


def is_public(address: str) -> bool:
    """Return whether the address belongs to a host on the internet.

    Private, loopback, link-local, shared, multicast, reserved and documentation addresses do not, and neither do IPv6
    addresses that stand for an IPv4 address through a tunnel or a translator.
    """
    found = ip_address(address)
    if _is_in(found, NOT_PUBLIC):
        return False
    if isinstance(found, IPv4Address):
        return found.is_global and not found.is_multicast
    return found in GLOBAL_UNICAST and found.is_global and not found.scope_id


def literal_address(host: str) -> str | None:
    """Return the host if it is an IP address, None for a name. Only the full dotted form is an IPv4 address."""
    return host if _literal(host) else None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _unmap(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped IPv6 address, any other address unchanged."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _authority(host: str, port: int, scheme: str) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port == PORTS[scheme] else f"{bracketed}:{port}"
