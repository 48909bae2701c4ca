"""Provision and remove the tenant's group: tokens carry its name, and its members belong to the tenant."""

from __future__ import annotations

from typing import Any

from shared.integrations.outcomes import Missing, Outcome, Refused, Unavailable, ok
from shared.tenants.model import Tenant
from worker.integrations.authentik.client import Authentik
from worker.integrations.authentik.guards import opened_without
from worker.integrations.authentik.models import MANAGER, OUR_KEY, Group, marker
from worker.integrations.authentik.owner import release_owners
from worker.integrations.step_context import Deeds, Work

#: under our key of a closed group's attributes: the members and child groups that were taken out of it
HELD_MEMBERS, HELD_CHILDREN = "heldMembers", "heldChildren"


def ensure_group(work: Work, identity: Authentik) -> Outcome:
    """Ensure that the tenant's group exists, carries our ownership marker, and is on record. Members stay."""
    tenant = work.tenant
    # names are unique: the first attempt need not read, and is told when somebody has the name
    group = None if work.is_first else find_group(work, identity)
    if group is None:
        group = work.change(
            f"create the group {tenant.group_name}",
            lambda: _created(tenant, identity),
            Group("", tenant.group_name, {OUR_KEY: group_marker(tenant)}),
        )
    work.save(authentikGroupId=group.id)
    _align(work, group, identity)
    return ok()


def remove_group(work: Work, identity: Authentik) -> Outcome:
    """Remove the group if it is provably ours and no application depends on it; then our marker on owners' accounts."""
    group = find_own_group(work, identity)
    if group is None:
        seen = "no group carries the tenant's stamp under its id or name"
    else:
        take_group_away(work, identity, group)
        seen = "Authentik answers 404 for the group"
    stay = release_owners(work, identity)
    return ok(verified=seen, **({"accounts": f"stay in Authentik: {', '.join(stay)}"} if stay else {}))


def take_group_away(deeds: Deeds, identity: Authentik, group: Group) -> None:
    """Remove a group whose marker was read just now. Raises Refused("guards_alone")."""
    opened = opened_without(identity, group.id)
    if opened:
        raise Refused("guards_alone", f"Ids of the applications: {', '.join(opened)}.")
    deeds.change(f"remove the group {group.name}", lambda: _removed(group, identity), None)


def find_group(work: Work, identity: Authentik) -> Group | None:
    """Return the tenant's group, if there is one. Raises Refused("taken") for somebody else's of its name."""
    return _by_id(work, identity) or _by_name(work.tenant, identity)


def find_own_group(work: Work, identity: Authentik) -> Group | None:
    """Return the tenant's group for a step that closes or removes it, and ignore a foreign group of its name.

    Raises Refused("taken") when the one on record exists without any marker: it may be the tenant's, and is open.
    """
    known = _on_record(work, identity)
    if known is not None and known.tenant_id is None:
        raise Refused("taken", "The group on record carries no stamp any more; put it back into its attributes.")
    if known is not None and known.tenant_id == work.tenant.id:
        return known
    named = identity.find_group(work.tenant.group_name)
    return named if named is not None and named.tenant_id == work.tenant.id else None


def group_marker(tenant: Tenant) -> dict[str, Any]:
    """Return the content of our key in the group's attributes."""
    return {
        "tenantId": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "plan": tenant.plan,
        "domains": list(tenant.domains),
        "managedBy": MANAGER,
    }


def _on_record(work: Work, identity: Authentik) -> Group | None:
    """Return the group on record, whosever it is by now, unless it is gone."""
    group_id = work.remote("authentikGroupId")
    if group_id is None:
        return None
    try:
        return identity.get_group(group_id)
    except Missing:
        return None


def _by_id(work: Work, identity: Authentik) -> Group | None:
    group = _on_record(work, identity)
    return group if group is not None and group.tenant_id == work.tenant.id else None


def _by_name(tenant: Tenant, identity: Authentik) -> Group | None:
    group = identity.find_group(tenant.group_name)
    if group is not None and group.tenant_id != tenant.id:
        raise Refused("taken", f"A group named {tenant.group_name} exists in Authentik without this tenant's stamp.")
    return group


def _created(tenant: Tenant, identity: Authentik) -> Group:
    """Create the group. After any unclear answer, return the one that turns out to be there, if it is ours."""
    try:
        return identity.create_group(tenant.group_name, {OUR_KEY: group_marker(tenant)})
    except (Unavailable, Refused) as fault:
        if isinstance(fault, Refused) and fault.reason != "taken":
            raise
        group = _by_name(tenant, identity)
        if group is None:
            raise Unavailable("upstream_error", "The group was not created.") from fault
        return group


def _removed(group: Group, identity: Authentik) -> None:
    try:
        identity.delete_group(group.id)
        identity.get_group(group.id)
    except Missing:
        return
    raise Unavailable("not_ready", "The group is still there.")


def _align(work: Work, group: Group, identity: Authentik) -> None:
    tenant = work.tenant
    known = marker(group.attributes)
    # who is to be let in again is kept until the step that lets them in has done so
    held = {key: known[key] for key in (HELD_MEMBERS, HELD_CHILDREN) if key in known}
    if known != group_marker(tenant) | held:
        # PATCH replaces the whole object, so that foreign keys are sent back with it
        attributes = {**group.attributes, OUR_KEY: group_marker(tenant) | held}
        work.change(
            f"write the tenant's data into the attributes of the group {group.name}",
            lambda: identity.update_group(group.id, attributes=attributes),
            None,
        )
    if group.name != tenant.group_name:
        work.change(
            f"rename the group {group.name} to {tenant.group_name}",
            lambda: identity.update_group(group.id, name=tenant.group_name),
            None,
        )
