"""Request and response schemas of partners."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.schemas.fields import Name, Slug
from api.schemas.models import UNSENT, PatchModel, RecordId, RequestModel, ResponseModel, example


class CreatePartnerRequest(RequestModel):
    """A reseller."""

    model_config = example({"slug": "reseller", "name": "Reseller GmbH"})

    slug: Slug
    name: Name


class UpdatePartnerRequest(PatchModel):
    """Changes to a reseller; its slug stays."""

    model_config = example({"name": "Reseller AG"})

    name: Name = UNSENT


class PartnerResponse(ResponseModel):
    """A reseller."""

    id: RecordId = Field(serialization_alias="_id")
    slug: str
    name: str
    created_at: datetime
    updated_at: datetime
