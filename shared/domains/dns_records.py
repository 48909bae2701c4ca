"""DNS records as values, compared with DNS by their meaning for the software that reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.exception import DNSException

from shared.core.naming import registrable_domain
from shared.domains import mail_texts, spf
from shared.domains.mail_hosts import RankedHost, competing_hosts, read_host
from shared.domains.mail_texts import read_tags
from shared.domains.spf_syntax import is_spf

#: the time to live that we suggest for every record, in seconds
SUGGESTED_TTL = 3600
#: types whose data is host names and numbers, in any case
CASELESS = frozenset({"MX", "CNAME", "SRV", "NS", "TLSA"})
#: types whose first number decides which host is asked first
RANKED = frozenset({"MX", "SRV"})
#: begins a TXT record, behind quotes that were pasted with it, and tells its kind: a version tag (`v=spf1`) or a key
#: (`dezky-verification=`)
KIND = re.compile(r"\W*(v\s*=\s*\w+|\w[\w.-]*\s*=)", re.IGNORECASE | re.ASCII)
DMARC_LABEL = "_dmarc."

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
    """One wanted record compared with DNS. `seen`: the values in its place, or the ones that undo it, if DIFFERENT."""

    record: Record
    presence: Presence
    seen: tuple[str, ...] = ()


def value_of(data: dns.rdata.Rdata) -> str:
    """Return record data as text; the chunks of a TXT record are joined (RFC 7208 section 3.3, RFC 6376 3.6.2.2)."""
    if data.rdtype == dns.rdatatype.TXT:
        chunks: Sequence[bytes] = data.strings  # type: ignore[attr-defined]
        return b"".join(chunks).decode("utf-8", "backslashreplace")
    return str(data.to_text())


def canonical(type_: str, value: str) -> str:
    """Return one text for all ways to write the same data. Raises ValueError for data that is not of the type."""
    if type_ == "TXT":
        return value.strip()
    try:
        text = str(dns.rdata.from_text(dns.rdataclass.IN, type_, value).to_text())
    except (DNSException, ValueError):
        raise ValueError(f"This is not the data of a {type_} record.") from None
    return text.lower() if type_ in CASELESS else text


def compare(wanted: Sequence[Record], answers: Mapping[Question, Sequence[str]]) -> tuple[Check, ...]:
    """Compare each wanted record with the values that DNS returned for its question; without an answer it has none.

    A record is OK when it has the effect that we want, in whatever words, and DIFFERENT when something else stands in
    its place or beside it undoes it: a second policy of its kind, or a foreign host that is asked as early.
    """
    return tuple(_check(record, wanted, answers) for record in wanted)


def places(record: Record) -> tuple[Question, ...]:
    """Return the questions that its readers ask for a record, in their order.

    A domain without a DMARC policy has that of its organisational domain (RFC 7489 section 6.6.3, step 3).
    """
    is_dmarc = record.type == "TXT" and mail_texts.is_dmarc(record.value)
    organisation = registrable_domain(record.name.removeprefix(DMARC_LABEL)) if is_dmarc else None
    if organisation is None:
        return (record.question,)
    return tuple(dict.fromkeys([record.question, (f"{DMARC_LABEL}{organisation}", record.type)]))


def is_answered(record: Record, answers: Mapping[Question, Sequence[str]]) -> bool:
    """Return whether DNS has answered as much as decides about a record; a policy of its own needs no other place."""
    own, *others = places(record)
    return own in answers and (answers.keys() >= set(others) or any(map(mail_texts.is_dmarc, answers[own])))


def _check(record: Record, wanted: Sequence[Record], answers: Mapping[Question, Sequence[str]]) -> Check:
    answered = answers.get(record.question, ())
    if record.type in RANKED:
        return _check_host(record, wanted, answered)
    kind = _kind_of(record, wanted)
    if kind is not None:
        return _check_text(record, kind, answers)
    sought = canonical(record.type, record.value)
    seen = {_lenient(record.type, value): value for value in answered}
    foreign = tuple(sorted(value for key, value in seen.items() if key != sought and _is_rival(record, key)))
    if sought in seen:
        return Check(record, Presence.OK)
    return Check(record, Presence.DIFFERENT if foreign else Presence.MISSING, foreign)


# -- hosts


def _check_host(record: Record, wanted: Sequence[Record], answered: Sequence[str]) -> Check:
    seen = [_host(record.type, value) for value in answered]
    ours = [_host(one.type, one.value) for one in wanted if one.question == record.question]
    early = competing_hosts(_host(record.type, record.value), ours, seen)
    if early is None:
        targets = {one.target for one in ours}
        foreign = tuple(sorted(one.value for one in seen if one.target not in targets))
        return Check(record, Presence.DIFFERENT if foreign else Presence.MISSING, foreign)
    undoing = tuple(sorted(one.value for one in early))
    return Check(record, Presence.DIFFERENT if undoing else Presence.OK, undoing)


def _host(type_: str, value: str) -> RankedHost:
    """Return the host of a record; text that is none counts as a foreign host that is asked first."""
    found = read_host(type_, _lenient(type_, value))
    return RankedHost(found.rank, found.target, value) if found else RankedHost(0, value, value)


# -- texts


@dataclass(frozen=True)
class TextKind:
    """A kind of TXT record of which a name has one. `is_of`: readers take a text for it; `serves`: it works for us."""

    is_of: Callable[[str], bool]
    serves: Callable[[str], bool]


def _kind_of(record: Record, wanted: Sequence[Record]) -> TextKind | None:
    """Return the comparison for a wanted text, or None for one that is compared word for word."""
    value = record.value
    if record.type != "TXT":
        return None
    if is_spf(value):
        hosts = [read_host("MX", canonical("MX", one.value)) for one in wanted if one.question == (record.name, "MX")]
        names = [host.target.rstrip(".") for host in hosts if host is not None]
        return TextKind(is_spf, lambda seen: spf.authorises(value, seen, record.name, names))
    if "._domainkey." in record.name:
        # a selector has one text: with several the result is undefined (RFC 6376 section 3.6.2.2)
        return TextKind(lambda _: True, lambda seen: mail_texts.is_same_key(value, seen))
    version = _kind(value)
    if not version.startswith("v="):
        return None
    same = TextKind(lambda seen: seen.lower().startswith(version), lambda seen: _tags(seen) == _tags(value))
    return _POLICIES.get(version, same)


#: policies that the domain's owner decides, by their version tag
_POLICIES: Mapping[str, TextKind] = {
    "v=dmarc1": TextKind(mail_texts.is_dmarc, mail_texts.is_dmarc_applied),
    "v=stsv1": TextKind(mail_texts.is_mta_sts, mail_texts.is_mta_sts_applied),
    "v=tlsrptv1": TextKind(mail_texts.is_tls_reporting, mail_texts.is_tls_reporting_applied),
}


def _check_text(record: Record, kind: TextKind, answers: Mapping[Question, Sequence[str]]) -> Check:
    """Check the only text of its kind. A second one invalidates it; a misspelt one is shown as a last choice."""
    answered = answers.get(record.question, ())
    of_kind = [value for value in answered if kind.is_of(value)]
    read = of_kind or [value for value in answers.get(places(record)[-1], ()) if kind.is_of(value)]
    working = [value for value in read if kind.serves(value)]
    if working and len(read) == 1:
        return Check(record, Presence.OK)
    foreign = [value for value in of_kind if value != next(iter(working), None)]
    if of_kind and not foreign:
        foreign = of_kind[1:]  # twice the same
    foreign = foreign or [value for value in answered if _kind(value) == _kind(record.value)]
    return Check(record, Presence.DIFFERENT if foreign else Presence.MISSING, tuple(sorted(foreign)))


def _lenient(type_: str, value: str) -> str:
    """Return canonical data, or the value as it came: other people may publish anything."""
    try:
        return canonical(type_, value)
    except ValueError:
        return value


def _is_rival(record: Record, other: str) -> bool:
    """Return whether another value takes the record's place: any of its type, but of texts only its kind."""
    return record.type != "TXT" or _kind(record.value) == _kind(other)


def _kind(text: str) -> str:
    found = KIND.match(text)
    return "".join(found[1].split()).lower() if found else text


def _tags(text: str) -> dict[str, str] | None:
    """Return the tags of a text of an unknown kind; spaces inside values make no difference."""
    tags = read_tags(text)
    return tags and {name: "".join(value.split()) for name, value in tags.items()}
