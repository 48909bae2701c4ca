"""What may be sent of partners."""

from __future__ import annotations

from api.schemas.fields import Name, Slug
from api.schemas.request_model import UNSENT, Body, Patch


class NewPartnerBody(Body):
    """A reseller."""

    slug: Slug
    name: Name


class PartnerPatchBody(Patch):
    """Changes to a reseller; its slug stays."""

    name: Name = UNSENT
