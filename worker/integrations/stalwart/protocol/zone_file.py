"""Read the zone text that a mail server gives for a domain into records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.exception import DNSException
from dns.tokenizer import Token, Tokenizer

from shared.domains.dns_records import Record, value_of
from shared.integrations.outcomes import TemporaryError


def zone_records(domain: str, zone_text: Any) -> tuple[Record, ...]:
    """Return the records in the zone text of `domain`, in its order, each once.

    The text has no directives, and every record has its name (RFC 1035 section 5.1 allows more; the mail server writes
    none). `dns.zone` is not used: it builds nodes and sets, which takes twice as long.
    Raises TemporaryError("not_ready") for a text that is no zone: it concerns this domain, not the server.
    """
    try:
        return tuple(dict.fromkeys(_records(Tokenizer(str(zone_text)), dns.name.from_text(f"{domain}."))))
    except (DNSException, ValueError):
        raise TemporaryError("not_ready", "Stalwart's zone text of the domain cannot be read.") from None


def _records(tokens: Tokenizer, origin: dns.name.Name) -> Iterator[Record]:
    while not (first := tokens.get(want_leading=True)).is_eof():
        if first.is_eol():
            continue
        if first.is_whitespace():
            raise ValueError("a record without a name")
        owner = tokens.as_name(first, origin)
        rdtype = dns.rdatatype.from_text(_type(tokens).value)
        data = dns.rdata.from_text(dns.rdataclass.IN, rdtype, tokens, origin, relativize=False)
        yield Record(owner.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(rdtype), value_of(data))


def _type(tokens: Tokenizer) -> Token:
    """Return the token after the record's TTL and class, in either order, if they are there."""
    token = tokens.get()
    while token.value.isdigit() or token.value.upper() == "IN":
        token = tokens.get()
    return token
