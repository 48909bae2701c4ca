"""Look up DNS records through the configured resolvers. Absence is an answer; silence and faults are errors."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.nameserver import Do53Nameserver

from shared.core.naming import name_server
from shared.domains.dns_records import Question, value_of
from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from worker.http.deadline import remaining

#: timeout of one try, in seconds; a lost datagram is sent again, to the next server, within the lookup's time
TRY_SECONDS = 1.0
#: the largest datagram that is safe on any path (DNS flag day 2020); longer answers come over TCP
PAYLOAD = 1232
NO_RESPONSE = "The name servers did not answer in time."


class DnsLookup:
    """Query recursive resolvers; safe to share between threads. Keeps no cache: each lookup asks the resolver."""

    def __init__(self, servers: Sequence[str] = (), *, lookup_seconds: float = 10.0) -> None:
        """`servers`: `address`, `address:port` or `[v6]:port`; without any, the system's. Raises ValueError."""
        self._resolver = _system_resolver() if not servers else dns.resolver.Resolver(configure=False)
        if servers:
            self._resolver.nameservers = [Do53Nameserver(*name_server(text)) for text in servers]
        self._resolver.timeout = TRY_SECONDS
        self._resolver.use_edns(0, 0, PAYLOAD)
        self._lookup_seconds = lookup_seconds

    def values(self, name: str, type_: str) -> tuple[str, ...]:
        """Return the values at a name, empty when there is none; TXT chunks joined, other types as in a zone file.

        Raises TemporaryError (`timeout`, `upstream_error`) when no server gave an answer, PermanentError("invalid") for
        an impossible name.
        """
        return self.answers([(name, type_)])[name, type_]

    def answers(self, questions: Iterable[Question]) -> Mapping[Question, tuple[str, ...]]:
        """Return the values for each different question, all within one lookup's time. Raises as `values` does."""
        ends_at = time.monotonic() + remaining(self._lookup_seconds)
        return {question: self._ask(*question, ends_at) for question in dict.fromkeys(questions)}

    def answered(self, questions: Iterable[Question]) -> tuple[Mapping[Question, tuple[str, ...]], str | None]:
        """Return the values of the questions answered within one lookup's time, and why others got none."""
        ends_at = time.monotonic() + remaining(self._lookup_seconds)
        found: dict[Question, tuple[str, ...]] = {}
        reason = None
        for question in dict.fromkeys(questions):
            try:
                found[question] = self._ask(*question, ends_at)
            except Fault as fault:
                reason = reason or fault.reason
        return found, reason

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses, IPv4 first; empty when it has none. Raises as `values` does.

        One kind is enough: some name servers do not answer for a type that they lack (RFC 4074).
        """
        ends_at = time.monotonic() + remaining(self._lookup_seconds)
        found: tuple[str, ...] = ()
        fault: TemporaryError | None = None
        for type_ in ("A", "AAAA"):
            try:
                found += self._ask(host, type_, min(ends_at, time.monotonic() + TRY_SECONDS) if found else ends_at)
            except TemporaryError as problem:
                fault = problem
        if fault is not None and not found:
            raise fault
        return found

    def _ask(self, name: str, type_: str, ends_at: float) -> tuple[str, ...]:
        question = _question(name, type_)
        left = ends_at - time.monotonic()
        if left <= 0:
            raise TemporaryError("timeout", NO_RESPONSE)
        try:
            answer = self._resolver.resolve(*question, search=False, lifetime=left, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.exception.Timeout:
            raise TemporaryError("timeout", NO_RESPONSE) from None
        except dns.exception.DNSException:
            # each server refused, failed or sent an unreadable response; the exception does not say which
            raise TemporaryError("upstream_error", "No name server could answer.") from None
        return tuple(value_of(data) for data in answer.rrset or ())


def _system_resolver() -> dns.resolver.Resolver:
    """Return the system's resolver; on a machine without one every lookup fails, but the start does not."""
    try:
        return dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return dns.resolver.Resolver(configure=False)


def _question(name: str, type_: str) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
    try:
        return dns.name.from_text(name), dns.rdatatype.from_text(type_)
    except (dns.exception.DNSException, ValueError):
        raise PermanentError("invalid", "DNS cannot have this name or type.") from None
