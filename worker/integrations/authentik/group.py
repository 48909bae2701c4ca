"""The tenant's identity group in Authentik: whose name tokens carry, and by which people belong to the tenant."""

from __future__ import annotations

from typing import Any

from shared.integrations.outcomes import Missing, Outcome, Refused, Unavailable, ok
from shared.tenants.model import Tenant
from worker.integrations.authentik.client import OUR_KEY, Authentik, Group
from worker.integrations.step_context import Deeds, Work

#: under our key of a closed group's attributes: numbers of the members that were taken out of it
HELD = "heldMembers"
#: under our key: who made the group
MANAGER = "dezky-platform-api"


def ensure_group(work: Work, identity: Authentik) -> Outcome:
    """The tenant's group exists under its name, carries our stamp, and is on record. Members are left as they are."""
    tenant = work.tenant
    # names are unique: whoever is first need not look, and is told when somebody holds the name
    group = None if work.is_first else find_group(work, identity)
    if group is None:
        group = work.change(
            f"create the group {tenant.group_name}",
            lambda: _created(tenant, identity),
            Group("", tenant.group_name, {OUR_KEY: stamp(tenant)}, frozenset()),
        )
    work.save(authentikGroupId=group.id)
    _align(work, group, identity)
    return ok()


def stamp(tenant: Tenant) -> dict[str, Any]:
    """What stands under our key of the group's attributes."""
    return {
        "tenantId": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "plan": tenant.plan,
        "domains": list(tenant.domains),
        "managedBy": MANAGER,
    }


def _on_record(work: Work, identity: Authentik) -> Group | None:
    """The group on record, whosever it is by now, unless it is gone."""
    group_id = work.remote("authentikGroupId")
    if group_id is None:
        return None
    try:
        return identity.get_group(group_id)
    except Missing:
        return None


def _by_id(work: Work, identity: Authentik) -> Group | None:
    """The group on record, unless it is gone or was never ours."""
    group = _on_record(work, identity)
    return group if group is not None and group.tenant_id == work.tenant.id else None


def _by_name(tenant: Tenant, identity: Authentik) -> Group | None:
    """The group of the tenant's name. Raises Refused("taken") when it is not provably ours."""
    group = identity.find_group(tenant.group_name)
    if group is not None and group.tenant_id != tenant.id:
        raise Refused("taken", f"A group named {tenant.group_name} exists in Authentik without this tenant's stamp.")
    return group


def _created(tenant: Tenant, identity: Authentik) -> Group:
    """A new group; after any unclear answer the one that turns out to be there, if it is ours."""
    try:
        return identity.create_group(tenant.group_name, {OUR_KEY: stamp(tenant)})
    except (Unavailable, Refused) as fault:
        if isinstance(fault, Refused) and fault.reason != "taken":
            raise
        group = _by_name(tenant, identity)
        if group is None:
            raise Unavailable("upstream_error", "The group was not created.") from fault
        return group


def remove_group(work: Work, identity: Authentik) -> Outcome:
    """The group is gone, and seen to be: never one that is not provably ours, never one that alone guards something."""
    group = find_own_group(work, identity)
    if group is None:
        return ok(verified="no group carries the tenant's stamp under its id or name")
    take_group_away(work, identity, group)
    return ok(verified="Authentik answers 404 for the group")


def take_group_away(deeds: Deeds, identity: Authentik, group: Group) -> None:
    """Remove a group whose stamp was read just now. Raises Refused("guards_alone")."""
    alone = identity.last_bindings(group.id)
    if alone:
        raise Refused("guards_alone", f"These applications have no other binding: {', '.join(alone)}.")
    deeds.change(f"remove the group {group.name}", lambda: _removed(group, identity), None)


def _removed(group: Group, identity: Authentik) -> None:
    try:
        identity.delete_group(group.id)
        identity.get_group(group.id)
    except Missing:
        return
    raise Unavailable("not_ready", "The group is still there.")


def find_group(work: Work, identity: Authentik) -> Group | None:
    """The tenant's group, if there is one. Raises Refused("taken") for somebody else's of its name."""
    return _by_id(work, identity) or _by_name(work.tenant, identity)


def find_own_group(work: Work, identity: Authentik) -> Group | None:
    """The tenant's group for whoever closes or removes it: somebody else's of its name is no affair of the tenant's.

    Raises Refused("taken") when the one on record is there without any stamp: it may be the tenant's, and is open.
    """
    known = _on_record(work, identity)
    if known is not None and known.tenant_id is None:
        raise Refused("taken", "The group on record carries no stamp any more; put it back into its attributes.")
    if known is not None and known.tenant_id == work.tenant.id:
        return known
    named = identity.find_group(work.tenant.group_name)
    return named if named is not None and named.tenant_id == work.tenant.id else None


def _align(work: Work, group: Group, identity: Authentik) -> None:
    tenant = work.tenant
    known = group.attributes.get(OUR_KEY)
    # who is to be let in again is kept until the step that lets them in has done so
    held = {HELD: known[HELD]} if isinstance(known, dict) and HELD in known else {}
    if known != stamp(tenant) | held:
        # PATCH replaces the whole object, so what others keep there is sent back with it
        attributes = {**group.attributes, OUR_KEY: stamp(tenant) | held}
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
