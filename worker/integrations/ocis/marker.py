"""Repair the ownership marker of the space on record, when an operator asks for it."""

from __future__ import annotations

from shared.integrations.outcomes import NotFound, PermanentError
from shared.integrations.ownership_marker import MarkerSigner
from shared.tenants.model import Tenant
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.finding import find_by_id


def repair_marker(tenant: Tenant, ocis: OcisClient, signer: MarkerSigner) -> str:
    """Write the marker back into the space on record and return a sentence about it.

    A reconcile does that only as the space's manager; an operator may know that the space is the tenant's. Raises
    NotFound without a space, PermanentError("taken") when it has another tenant's marker.
    """
    space_id = tenant.remote.get("ocisSpaceId")
    if space_id is None:
        raise NotFound("No space is on record for this tenant; reconcile it.")
    space = ocis.find_space(space_id)
    if space is None:
        # OCIS shows a manager its space, and hides others from an account without the role
        ocis.require_role()
        space = find_by_id(ocis, space_id)
    if space is None:
        raise NotFound("The space on record is not there any more; reconcile the tenant.")
    if signer.belongs_to_another(tenant.id, space.description):
        raise PermanentError("taken", f"The space {space.name} carries another tenant's marker.")
    marked = signer.marked(tenant.id, space.description)
    if marked == space.description:
        return f"The space {space.name} carries the marker already."
    ocis.update_space(space.id, {"description": marked})
    return f"Wrote the marker into the description of the space {space.name}."
