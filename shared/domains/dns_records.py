"""DNS records as values: made comparable, and held against what DNS answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.exception import DNSException

#: seconds; what we suggest for every record
SUGGESTED_TTL = 3600
#: types whose data is host names and numbers, where case means nothing
CASELESS = frozenset({"MX", "CNAME", "SRV", "NS", "TLSA"})
#: types whose first number decides which host is asked first (RFC 5321 section 5.1, RFC 2782)
RANKED = frozenset({"MX", "SRV"})
#: what makes a TXT record one of a kind at its name: its version tag (`v=spf1`) or its key (`dezky-verification=`)
KIND = re.compile(r"\s*(v=[^;\s]+|[^=;\s]+=)", re.IGNORECASE)

Question = tuple[str, str]


@dataclass(frozen=True)
class Record:
    """A record to publish. `name`: absolute, lower case, no dot at its end.

    `value`: a TXT record's text with its chunks joined; any other type's data as in a zone file.
    """

    name: str
    type: str
    value: str

    @property
    def question(self) -> Question:
        return self.name, self.type


class Presence(StrEnum):
    OK = "ok"
    MISSING = "missing"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Check:
    """One wanted record held against DNS. `seen`: what stands in its place or beside it, when that is DIFFERENT."""

    record: Record
    presence: Presence
    seen: tuple[str, ...] = ()


def value_of(data: dns.rdata.Rdata) -> str:
    """Record data as text; the chunks of a TXT record joined (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2)."""
    if data.rdtype == dns.rdatatype.TXT:
        chunks: Sequence[bytes] = data.strings  # type: ignore[attr-defined]
        return b"".join(chunks).decode("utf-8", "backslashreplace")
    return str(data.to_text())


def canonical(type_: str, value: str) -> str:
    """One text for all ways to write the same data. Raises ValueError for data that is not of the type."""
    if type_ == "TXT":
        return _canonical_text(value)
    try:
        text = str(dns.rdata.from_text(dns.rdataclass.IN, type_, value).to_text())
    except (DNSException, ValueError):
        raise ValueError(f"This is not the data of a {type_} record.") from None
    return text.lower() if type_ in CASELESS else text


def compare(wanted: Sequence[Record], answers: Mapping[Question, Sequence[str]]) -> tuple[Check, ...]:
    """Each wanted record against the values DNS gave for its question; a question without an answer has none.

    A record is DIFFERENT, too, when it is there but something beside it undoes it: a second policy of the same
    kind (RFC 7208 section 4.5, RFC 7489 section 6.6.3) or a host that we did not name and that is asked first.
    """
    ours: dict[Question, set[str]] = {}
    for record in wanted:
        ours.setdefault(record.question, set()).add(canonical(record.type, record.value))
    return tuple(_check(record, ours[record.question], answers.get(record.question, ())) for record in wanted)


def _check(record: Record, ours: set[str], answered: Sequence[str]) -> Check:
    sought = canonical(record.type, record.value)
    seen = {_lenient(record.type, value): value for value in answered}
    foreign = tuple(seen[key] for key in seen.keys() - ours if _is_rival(record.type, sought, key))
    if sought not in seen:
        return Check(record, Presence.DIFFERENT if foreign else Presence.MISSING, tuple(sorted(foreign)))
    spoiling = tuple(sorted(value for value in foreign if _undoes(record.type, sought, _lenient(record.type, value))))
    return Check(record, Presence.DIFFERENT if spoiling else Presence.OK, spoiling)


def _lenient(type_: str, value: str) -> str:
    """Canonical, or as it came: what others publish may be anything."""
    try:
        return canonical(type_, value)
    except ValueError:
        return value


def _is_rival(type_: str, sought: str, other: str) -> bool:
    """Whether another value stands in the sought one's place: any of its type, but of texts only its kind."""
    return type_ != "TXT" or _kind(sought) == _kind(other)


def _undoes(type_: str, sought: str, rival: str) -> bool:
    if type_ in RANKED:
        return _rank(rival) <= _rank(sought)
    return type_ == "TXT" and _kind(sought).startswith("v=")


def _rank(value: str) -> int:
    first = value.partition(" ")[0]
    return int(first) if first.isdigit() else 0


def _kind(text: str) -> str:
    found = KIND.match(text)
    return found.group(1).lower() if found else text


def _canonical_text(value: str) -> str:
    kind = _kind(value)
    if kind == "v=spf1":
        return " ".join(value.lower().split())
    return _canonical_tags(value) if kind.startswith("v=") else value.strip()


def _canonical_tags(value: str) -> str:
    """A list of `tag=value`: spaces around and inside mean nothing to its readers (RFC 6376 section 3.2)."""
    tags = (tag.partition("=") for tag in value.split(";") if tag.strip())
    return ";".join(f"{name.strip().lower()}={''.join(text.split())}" for name, _, text in tags)
