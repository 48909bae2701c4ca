"""Query and response schemas of the check whether names are free."""

from __future__ import annotations

from pydantic import Field

from api.schemas.fields import DomainName, OwnerEmail, Slug
from api.schemas.models import Query, ResponseModel


class AvailabilityQuery(Query):
    slug: Slug | None = None
    domain: DomainName | None = None
    email: OwnerEmail | None = Field(None, description="an owner's address; its form is checked, not its existence")


class AvailabilityResponse(ResponseModel):
    """The availability of each requested name."""

    slug: bool | None = Field(None, description="whether it is free")
    domain: bool | None = Field(None, description="whether it is free")
    email: bool | None = Field(None, description="whether it can be an owner's")
