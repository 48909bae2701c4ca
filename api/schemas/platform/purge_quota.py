"""Request and response schemas of the purge quota."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.schemas.fields import WHOLE
from api.schemas.request_model import RequestModel, example
from api.schemas.response_model import ResponseModel


class RaiseQuotaRequest(RequestModel):
    """Additional automatic purges for today."""

    model_config = example({"count": 5})

    count: Annotated[int, Field(ge=1, le=1000), WHOLE]


class PurgeQuotaResponse(ResponseModel):
    """The daily limit of automatic purges, and its use."""

    per_day: int = Field(description="purges that may start in a day (PURGES_PER_DAY)")
    begun: int = Field(validation_alias="used", description="automatic purges started in the last 24 hours")
    extra: int = Field(description="additional purges that somebody has allowed")
    waiting: int = Field(description="tenants whose `purgeAfter` has passed")
    held_since: datetime | None = Field(
        None, validation_alias="exhausted_since", description="since when the quota is used up while tenants wait"
    )
