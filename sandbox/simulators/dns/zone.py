"""The records of the DNS simulator, and the correct answers to questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Key = tuple[dns.name.Name, dns.rdatatype.RdataType]

DEFAULT_TTL = 60
#: size limit of one string in a TXT record, in bytes (RFC 1035 section 3.3)
MAX_STRING_BYTES = 255
#: longest chain of aliases that is followed
MAX_CHAIN = 8


@dataclass
class Zone:
    """A zone that is authoritative for all names: those without records do not exist."""

    records: dict[Key, dns.rrset.RRset] = field(default_factory=dict)

    def publish(self, name: str, type_: str, value: str, ttl: int = DEFAULT_TTL) -> None:
        """Add one record; the value of a TXT record is its text. Raises DNSException for data invalid for the type."""
        key = _key(name, type_)
        rrset = self.records.setdefault(key, dns.rrset.RRset(key[0], dns.rdataclass.IN, key[1]))
        rrset.add(data_of(type_, value), ttl)

    def withdraw(self, name: str, type_: str | None = None) -> None:
        """Remove all records of a name, or those of one type."""
        owner = dns.name.from_text(name)
        for key in [key for key in self.records if key[0] == owner]:
            if type_ is None or key == _key(name, type_):
                del self.records[key]

    def shown(self) -> list[dict[str, Any]]:
        return [
            {"name": str(owner), "type": dns.rdatatype.to_text(kind), "value": data.to_text(), "ttl": rrset.ttl}
            for (owner, kind), rrset in self.records.items()
            for data in rrset
        ]

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return a recursive server's answer: follows aliases; NXDOMAIN for a name without records at or below it."""
        response = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        name = question.name
        for _ in range(MAX_CHAIN):
            found = self.records.get((name, question.rdtype))
            alias = self.records.get((name, dns.rdatatype.CNAME))
            if found is not None or alias is None:
                break
            response.answer.append(alias)
            name = alias[0].target
        if found is not None:
            response.answer.append(found)
        elif not self._exists(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def _exists(self, name: dns.name.Name) -> bool:
        return any(owner.is_subdomain(name) for owner, _ in self.records)


def data_of(type_: str, value: str) -> dns.rdata.Rdata:
    """Parse record data; long TXT values are split into strings."""
    if type_ != "TXT":
        return dns.rdata.from_text(dns.rdataclass.IN, type_, value)
    raw = value.encode()
    chunks = [raw[start : start + MAX_STRING_BYTES] for start in range(0, len(raw), MAX_STRING_BYTES)] or [b""]
    wire = b"".join(bytes([len(chunk)]) + chunk for chunk in chunks)
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.TXT, wire, 0, len(wire))


def _key(name: str, type_: str) -> Key:
    return dns.name.from_text(name), dns.rdatatype.from_text(type_)
