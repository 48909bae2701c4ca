"""Records that name a host by rank: MX (RFC 5321 section 5.1) and SRV (RFC 2782)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
    if len(fields) != expected or not all(field.isdigit() for field in fields[:-1]):
        return None
    return RankedHost(int(fields[0]), " ".join(fields[2:]) if type_ == "SRV" else fields[1], value)


def competing_hosts(
    wanted: RankedHost, ours: Sequence[RankedHost], seen: Sequence[RankedHost]
) -> list[RankedHost] | None:
    """Return the foreign hosts that are asked as early as the wanted one; None when that is not published.

    The rank is the domain owner's choice. A foreign host that is asked later than ours is a backup.
    """
    published = [one.rank for one in seen if one.target == wanted.target]
    if not published:
        return None
    targets = {one.target for one in ours}
    return [one for one in seen if one.target not in targets and one.rank <= min(published)]
