"""Policies that a domain's owner decides: DMARC (RFC 7489), MTA-STS (RFC 8461), TLS reporting (RFC 8460).

The owner decides their content; only their acceptance by receivers is checked here.
"""

from __future__ import annotations

import re

from shared.domains.tag_list import first_tag, read_tags

DISPOSITIONS = frozenset({"none", "quarantine", "reject"})
ALIGNMENTS = frozenset({"r", "s"})
STS_ID = re.compile(r"[A-Za-z0-9]{1,32}")
REPORT_URI = re.compile(r"(?:mailto:[^@\s]+@[^@\s]+|https://\S+)", re.IGNORECASE)


def is_dmarc(seen: str) -> bool:
    """Return whether receivers apply a DMARC record: the version first, and a policy that they know."""
    tags = read_tags(seen)
    if tags is None or first_tag(tags) != ("v", "DMARC1"):
        return False
    policies = [tags.get("p", ""), tags.get("sp", "none")]
    alignments = [tags.get("adkim", "r"), tags.get("aspf", "r")]
    percent = tags.get("pct", "100")
    return (
        all(one.lower() in DISPOSITIONS for one in policies)
        and all(one.lower() in ALIGNMENTS for one in alignments)
        and percent.isascii()
        and percent.isdigit()
        and int(percent[:4]) <= 100
    )


def is_mta_sts(seen: str) -> bool:
    """Return whether senders accept an MTA-STS record. Its id only says when the policy was changed last."""
    tags = read_tags(seen)
    return tags is not None and first_tag(tags) == ("v", "STSv1") and STS_ID.fullmatch(tags.get("id", "")) is not None


def is_tls_reporting(seen: str) -> bool:
    """Return whether senders accept a TLS reporting record: the version first, and addresses for the reports."""
    tags = read_tags(seen)
    if tags is None or first_tag(tags) != ("v", "TLSRPTv1"):
        return False
    return all(REPORT_URI.fullmatch(one.strip()) for one in tags.get("rua", "").split(","))
