"""Map the ids of people in events and operations to names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.web.api import get, optional, person

#: user records that a page reads at most
MAX_NAMES = 8
PLATFORM, SOMEBODY = "the platform", "somebody"


def names_of(events: Iterable[Mapping[str, Any]]) -> dict[str | None, str]:
    """Map the ids of the events' actors to names; users that the person may not see are "somebody"."""
    me = person()
    ids = dict.fromkeys(event["actor"] for event in events if event.get("actor"))
    found: dict[str | None, str] = {None: PLATFORM, me.id: "you"}
    for place, user_id in enumerate(one for one in ids if one not in found):
        found[user_id] = _name(user_id) if place < MAX_NAMES else SOMEBODY
    return found


def _name(user_id: str) -> str:
    user = optional(lambda: get(f"/users/{user_id}"))
    return str(user["name"] or user["email"]) if user else SOMEBODY
