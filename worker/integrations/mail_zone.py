"""Records read from the zone text that a mail server gives for a domain."""

from __future__ import annotations

from typing import Any

import dns.rdatatype
import dns.zone
from dns.exception import DNSException

from shared.domain.faults import Unavailable


def zone_records(domain: str, zone_text: Any) -> tuple[dict[str, str], ...]:
    """A zone's records as `{domain, name, type, value}`, names without the dot at their end, TXT chunks joined.

    Raises Unavailable("unexpected_answer") for a text that is no zone.
    """
    try:
        zone = dns.zone.from_text(f"$TTL 3600\n{zone_text}", origin=f"{domain}.", relativize=False, check_origin=False)
    except DNSException:
        raise Unavailable("unexpected_answer", "The zone text cannot be read.") from None
    return tuple(
        {
            "domain": domain,
            "name": name.to_text(omit_final_dot=True),
            "type": dns.rdatatype.to_text(data.rdtype),
            "value": _value(data),
        }
        for name, _, data in zone.iterate_rdatas()
    )


def _value(data: Any) -> str:
    if data.rdtype == dns.rdatatype.TXT:
        return b"".join(data.strings).decode()
    return str(data.to_text())
