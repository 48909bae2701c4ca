"""Records that name a host by rank: MX (RFC 5321 section 5.1) and SRV (RFC 2782)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class RankedHost:
    """A host and the number that decides when it is asked: the lowest first. `target` includes an SRV record's port."""

    rank: int
    target: str
    value: str


def read_host(type_: str, value: str) -> RankedHost | None:
    """Return the host of canonical data of an MX or SRV record, or None for other text."""
    fields = value.split()
    expected = 2 if type_ == "MX" else 4
    if len(fields) != expected or not all(NUMBER.fullmatch(field) for field in fields[:-1]):
        return None
    return RankedHost(int(fields[0]), " ".join(fields[2:]) if type_ == "SRV" else fields[1], value)


def competing_hosts(
    wanted: RankedHost, ours: Sequence[RankedHost], seen: Sequence[RankedHost]
) -> list[RankedHost] | None:
    """Return the foreign hosts that are asked before all of ours or with the first; None without the wanted host.

    The rank is the domain owner's choice. A foreign host that is asked later than one of ours is a backup.
    """
    targets = {one.target for one in ours}
    if wanted.target not in {one.target for one in seen}:
        return None
    first = min(one.rank for one in seen if one.target in targets)
    return [one for one in seen if one.target not in targets and one.rank <= first]
