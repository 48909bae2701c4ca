"""Query parameters of the routes of webhooks and their deliveries."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from api.schemas.query_model import MAX_WAIT, ListQuery, Query, SlugText, WaitSeconds
from shared.webhooks.model import DeliveryQuery, DeliveryStatus

DAY = 24 * 3600
MAX_GRACE = 7 * DAY


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError(f"must be a whole number of seconds from 0 to {MAX_GRACE}")
    return value


class WebhookListQuery(ListQuery):
    tenant: SlugText | None = Field(None, description="a tenant's slug")


class DeliveryListQuery(ListQuery):
    status: DeliveryStatus | None = None

    def to_value(self) -> DeliveryQuery:
        return DeliveryQuery(self.limit, self.cursor, self.status)


class TestQuery(Query):
    wait: WaitSeconds = Field(0.0, ge=0, le=MAX_WAIT, description="wait for the ping, for at most this many seconds")


class RotateQuery(Query):
    grace: Annotated[int, BeforeValidator(_seconds)] = Field(
        DAY, ge=0, le=MAX_GRACE, description="seconds for which the old secret signs beside the new one"
    )
