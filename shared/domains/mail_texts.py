"""TXT records of tags: DKIM (RFC 6376), DMARC (RFC 7489), MTA-STS (RFC 8461), TLS reporting (RFC 8460).

A key must be the wanted one. The domain's owner decides the policies; only their acceptance by receivers is checked.
"""

from __future__ import annotations

import re

#: a tag of DKIM and DMARC: spaces may stand around its name and value
TAG = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=([ -~\t\r\n]*)")
#: a field of MTA-STS and TLS reporting: its value follows the equals sign and is not empty
FIELD = re.compile(r"[ \t]*([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-~][ -~\t]*)")
DMARC_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
DISPOSITIONS = frozenset({"none", "quarantine", "reject"})
STS_VERSION, STS_ID = "v=STSv1;", re.compile(r"[A-Za-z0-9]{1,32}")
REPORTS_VERSION = "v=TLSRPTv1;"
REPORT_URI = re.compile(r"(?:mailto:[!-?A-~]+@[!-?A-~]+|https://[!-.0-~][!-~]*)", re.IGNORECASE | re.ASCII)


# -- lists of `tag=value`


def read_tags(text: str, form: re.Pattern[str] = TAG) -> dict[str, str] | None:
    """Return the tags in their order, values without outer spaces. The case of names matters.

    None for a text that is no such list, or that has a tag twice: its readers ignore it.
    """
    found: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip(" \t\r\n"):
        parts.pop()
    for part in parts:
        tag = form.fullmatch(part)
        if tag is None or tag[1] in found:
            return None
        found[tag[1]] = tag[2].strip()
    return found


def first_tag(tags: dict[str, str]) -> tuple[str, str]:
    """Return the name and the value of the first tag; both empty for an empty list."""
    return next(iter(tags.items()), ("", ""))


def listed(value: str | None) -> frozenset[str]:
    """Return the members of a list inside a value, which colons separate."""
    return frozenset(one.strip() for one in (value or "").split(":") if one.strip())


# -- DKIM


def is_same_key(wanted: str, seen: str) -> bool:
    """Return whether a published key is the wanted one. Order, defaults and further tags make no difference."""
    ours, theirs = read_tags(wanted), _read_key(seen)
    if ours is None or theirs is None:
        return False
    is_same = _key(ours) == _key(theirs) and _type(ours) == _type(theirs)
    return is_same and _is_in_use(theirs)


def _read_key(text: str) -> dict[str, str] | None:
    """Return the tags of a key that verifiers accept: a version is the first tag, and there is a key."""
    tags = read_tags(text)
    if tags is None or not tags.get("p"):
        return None
    return tags if "v" not in tags or first_tag(tags) == ("v", "DKIM1") else None


def _is_in_use(tags: dict[str, str]) -> bool:
    """Return whether the key is for mail signed with SHA-256, and not only a test."""
    hashes, services = listed(tags.get("h")), listed(tags.get("s"))
    is_for_mail = not services or bool(services & {"*", "email"})
    return (not hashes or "sha256" in hashes) and is_for_mail and "y" not in listed(tags.get("t"))


def _key(tags: dict[str, str]) -> str:
    return "".join(tags.get("p", "").split())


def _type(tags: dict[str, str]) -> str:
    return tags.get("k", "rsa")


# -- DMARC


def is_dmarc(text: str) -> bool:
    """Return whether receivers take a text for a DMARC policy, valid or not (section 6.6.3, step 2)."""
    return DMARC_VERSION.match(text) is not None


def is_dmarc_applied(text: str) -> bool:
    """Return whether receivers apply a DMARC policy. Without a valid one, addresses for reports make it `none`.

    Other errors are ignored (section 6.3). The grammar allows names of tags in any case (section 6.4).
    """
    found = [(tag[1].lower(), tag[2].strip()) for part in text.split(";") if (tag := TAG.fullmatch(part))]
    tags = dict(found)
    if not is_dmarc(text) or len(tags) < len(found):
        return False
    policies = {tags.get("p", ""), tags.get("sp", "none")}
    return {one.lower() for one in policies} <= DISPOSITIONS or _has_report_address(tags)


# -- MTA-STS and TLS reporting


def is_mta_sts(text: str) -> bool:
    """Return whether senders take a text for an MTA-STS record (RFC 8461 section 3.1)."""
    return text.startswith(STS_VERSION)


def is_mta_sts_applied(text: str) -> bool:
    """Return whether senders accept an MTA-STS record. Its id only says when the policy was changed last."""
    tags = read_tags(text, FIELD) or {}
    return is_mta_sts(text) and STS_ID.fullmatch(tags.get("id", "")) is not None


def is_tls_reporting(text: str) -> bool:
    """Return whether senders take a text for a TLS reporting record (RFC 8460 section 3)."""
    return text.startswith(REPORTS_VERSION)


def is_tls_reporting_applied(text: str) -> bool:
    """Return whether senders find an address for reports in a TLS reporting record; other addresses are ignored."""
    return is_tls_reporting(text) and _has_report_address(read_tags(text, FIELD) or {})


def _has_report_address(tags: dict[str, str]) -> bool:
    return any(REPORT_URI.fullmatch(one.strip()) for one in tags.get("rua", "").split(","))
