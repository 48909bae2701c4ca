"""Write the DNS records to publish as a zone file (RFC 1035 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: octets of one character-string in a TXT record at most
MAX_STRING_LENGTH = 255


def zone_file(domain: str, records: Iterable[Mapping[str, Any]]) -> str:
    """Write one line for each record, with absolute names."""
    lines = [f"; records to publish for {domain}", f"$ORIGIN {domain}."]
    lines += [f"{one['name']}. {one['ttl']} IN {one['type']} {_data(one)}" for one in records]
    return "\n".join(lines) + "\n"


def _data(record: Mapping[str, Any]) -> str:
    value = str(record["value"])
    if record["type"] != "TXT":
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    parts = [escaped[start : start + MAX_STRING_LENGTH] for start in range(0, len(escaped), MAX_STRING_LENGTH)] or [""]
    return " ".join(f'"{part}"' for part in parts)
