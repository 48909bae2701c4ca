"""The DNS records of a domain as a zone file (RFC 1035), to be imported at a DNS provider."""

from __future__ import annotations

import re
from collections.abc import Iterator

from client.models import Domain, DomainRecord
from platformctl.failures import printable

#: bytes of one string of a TXT record
MAX_STRING_BYTES = 255
#: record types whose values end in the name of a host
WITH_HOST = frozenset({"MX", "CNAME", "SRV", "NS"})


def zone_file(domain: Domain) -> Iterator[str]:
    """Yield the lines of a domain's zone file, each with the result of the latest DNS check."""
    yield f"; {printable(domain['domain'])}: {domain['state']}"
    for record in domain["records"]:
        seen = record.get("presence")
        comment = f" ; {seen}" if seen and seen != "ok" else ""
        yield f"{_absolute(record['name'])}\t{record['ttl']}\tIN\t{record['type']}\t{_value(record)}{comment}"


def _value(record: DomainRecord) -> str:
    value = printable(record["value"])
    if record["type"] == "TXT":
        return " ".join(f'"{_escape(part)}"' for part in _parts(value))
    return _absolute(value) if record["type"] in WITH_HOST else value


def _parts(text: str) -> list[str]:
    return [text[start : start + MAX_STRING_BYTES] for start in range(0, len(text), MAX_STRING_BYTES)] or [""]


def _escape(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."
