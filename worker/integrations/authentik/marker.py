"""Print and repair the ownership marker of the group on record, when an operator asks for it."""

from __future__ import annotations

import json
from functools import partial

from shared.integrations.outcomes import NotFound, PermanentError
from shared.integrations.ownership_marker import MarkerSigner
from shared.tenants.model import Tenant
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import group_marker, require_absence
from worker.integrations.authentik.models import OUR_KEY, marker
from worker.integrations.step_context import read_or_none


def marker_text(tenant: Tenant) -> str:
    """Return our key of the group's attributes, to be put beside the other keys."""
    return json.dumps({OUR_KEY: group_marker(tenant)})


def repair_marker(tenant: Tenant, authentik: AuthentikClient, signer: MarkerSigner) -> str:
    """Write the marker back into the group on record and return a sentence about it. It is not signed.

    Raises NotFound without a group, PermanentError("marker_replaced") when it has another tenant's marker.
    TemporaryError: Authentik lists the group that it does not find by its id.
    """
    group_id = tenant.remote.get("authentikGroupId")
    if group_id is None:
        raise NotFound("No group is on record for this tenant; reconcile it.")
    group = read_or_none(partial(authentik.get_group, group_id))
    if group is None:
        require_absence(group_id, authentik.list_groups())
        raise NotFound("The group on record is not there any more, nor is it listed; reconcile the tenant.")
    if group.tenant_id not in (None, tenant.id):
        raise PermanentError("marker_replaced", f"The group on record is {group.name}.")
    if group.tenant_id == tenant.id:
        return f"The group {group.name} carries the marker already."
    # what a suspension took out of the group is noted under our key too
    ours = {**marker(group.attributes), **group_marker(tenant)}
    authentik.update_group(group.id, attributes={**group.attributes, OUR_KEY: ours})
    return f"Wrote the marker into the attributes of the group {group.name}."
