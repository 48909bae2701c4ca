"""Questions to DNS through resolvers of our choice: absent is an answer, silence and faults are not."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.nameserver import Do53Nameserver, Nameserver

from shared.domain.dns_records import Question, value_of
from shared.domain.faults import Refused, Unavailable
from worker.deadline import remaining

DNS_PORT = 53
#: one try's patience in seconds; a lost datagram is sent again, to the next server, within the whole look's time
TRY_SECONDS = 1.0
#: the largest datagram that is safe on any path (DNS flag day 2020); longer answers come over TCP
PAYLOAD = 1232
SILENCE = "The name servers did not answer in time."


class DnsLookup:
    """Asks recursive resolvers; safe to share between threads. Keeps no cache, so a look sees what the resolver has."""

    def __init__(self, servers: Sequence[str] = (), *, look_seconds: float = 10.0) -> None:
        """`servers`: `address`, `address:port` or `[v6]:port`; without any, those of the system. Raises ValueError."""
        self._resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = [_nameserver(text) for text in servers]
        self._resolver.timeout = TRY_SECONDS
        self._resolver.use_edns(0, 0, PAYLOAD)
        self._look_seconds = look_seconds

    def values(self, name: str, type_: str) -> tuple[str, ...]:
        """The values at a name, empty when there is none; TXT chunks joined, other types as in a zone file.

        Raises Unavailable (`timeout`, `upstream_error`) when no server gave an answer, Refused("invalid") for a name
        that cannot be.
        """
        return self.answers([(name, type_)])[name, type_]

    def answers(self, questions: Iterable[Question]) -> Mapping[Question, tuple[str, ...]]:
        """The values for each different question, all within one look's time. Raises as `values` does."""
        ends_at = time.monotonic() + remaining(self._look_seconds)
        return {question: self._ask(*question, ends_at) for question in dict.fromkeys(questions)}

    def addresses(self, host: str) -> tuple[str, ...]:
        """A host's addresses, IPv4 first; empty when it has none. Raises as `values` does."""
        found = self.answers([(host, "A"), (host, "AAAA")])
        return (*found[host, "A"], *found[host, "AAAA"])

    def _ask(self, name: str, type_: str, ends_at: float) -> tuple[str, ...]:
        question = _question(name, type_)
        left = ends_at - time.monotonic()
        if left <= 0:
            raise Unavailable("timeout", SILENCE)
        try:
            answer = self._resolver.resolve(*question, search=False, lifetime=left, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.exception.Timeout:
            raise Unavailable("timeout", SILENCE) from None
        except dns.exception.DNSException:
            # each server refused, failed or made no sense: which one did what is in no answer of ours
            raise Unavailable("upstream_error", "No name server could answer.") from None
        return tuple(value_of(data) for data in answer.rrset or ())


def _question(name: str, type_: str) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
    try:
        return dns.name.from_text(name), dns.rdatatype.from_text(type_)
    except (dns.exception.DNSException, ValueError):
        raise Refused("invalid", "The name or the type is not one DNS can have.") from None


def _nameserver(text: str) -> Nameserver:
    """Raises ValueError for anything but an IP address with or without a port."""
    # the colons of a bare IPv6 address announce no port
    bare = text.count(":") > 1 and not text.startswith("[")
    try:
        parts = urlsplit(f"//[{text}]" if bare else f"//{text}")
        return Do53Nameserver(str(ipaddress.ip_address(parts.hostname or "")), parts.port or DNS_PORT)
    except ValueError:
        raise ValueError(f"{text!r} is not a name server; give an IP address, with :port if it is not 53") from None
