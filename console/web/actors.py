"""Map the ids of people in events and operations to names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.web.api import get, optional, person

#: user records that a page reads at most
MAX_NAMES = 8
PLATFORM, SOMEBODY = "the platform", "somebody"


def names_of(records: Iterable[Mapping[str, Any]], field: str = "actor") -> dict[str | None, str]:
    """Map user ids to names; users that the person may not see are "somebody"."""
    me = person()
    ids = dict.fromkeys(record[field] for record in records if record.get(field))
    found: dict[str | None, str] = {None: PLATFORM, me.id: "you"}
    for place, user_id in enumerate(one for one in ids if one not in found):
        found[user_id] = _name(user_id) if place < MAX_NAMES else SOMEBODY
    return found


def _name(user_id: str) -> str:
    user = optional(lambda: get(f"/users/{user_id}"))
    return str(user["name"] or user["email"]) if user else SOMEBODY
