"""What may be sent of partners."""

from __future__ import annotations

from api.bodies.body import UNSENT, Body, Patch
from api.fields import Name, Slug


class NewPartnerBody(Body):
    """A reseller."""

    slug: Slug
    name: Name


class PartnerPatchBody(Patch):
    """Changes to a reseller; its slug stays."""

    name: Name = UNSENT
