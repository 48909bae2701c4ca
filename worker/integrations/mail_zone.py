"""Records read from the zone text that a mail server gives for a domain."""

from __future__ import annotations

from typing import Any

import dns.rdatatype
import dns.zone
from dns.exception import DNSException

from shared.domain.dns_records import SUGGESTED_TTL, Record, value_of
from shared.domain.faults import Unavailable


def zone_records(domain: str, zone_text: Any) -> tuple[Record, ...]:
    """The records in the zone text of `domain`, in its order.

    Raises Unavailable("unexpected_answer") for a text that is no zone.
    """
    text = f"$TTL {SUGGESTED_TTL}\n{zone_text}"
    try:
        zone = dns.zone.from_text(text, origin=f"{domain}.", relativize=False, check_origin=False)
    except (DNSException, ValueError):
        raise Unavailable("unexpected_answer", "The zone text cannot be read.") from None
    return tuple(
        Record(owner.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(data.rdtype), value_of(data))
        for owner, _, data in zone.iterate_rdatas()
    )
