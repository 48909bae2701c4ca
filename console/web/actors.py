"""Map the ids of people in events and operations to names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from console.web.api import get, optional, person

#: ids that one request may name
IDS_PER_REQUEST = 100
ID = re.compile("[0-9a-f]{24}")
PLATFORM, SOMEBODY = "the platform", "somebody"


def names_of(events: Iterable[Mapping[str, Any]]) -> dict[str | None, str]:
    """Map the ids of the events' actors to names; users that the person may not see are "somebody"."""
    me = person()
    ids = dict.fromkeys(event["actor"] for event in events if event.get("actor"))
    others = [one for one in ids if ID.fullmatch(one) and one != me.id][:IDS_PER_REQUEST]
    users = optional(lambda: get("/users", id=",".join(others), limit=IDS_PER_REQUEST)) if others else None
    names = {user["_id"]: str(user["name"] or user["email"]) for user in users or ()}
    return {**dict.fromkeys(ids, SOMEBODY), **names, None: PLATFORM, me.id: "you"}
