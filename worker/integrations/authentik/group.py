"""Provision and remove the tenant's group: tokens carry its name, and its members belong to the tenant."""

from __future__ import annotations

from typing import Any

from shared.integrations.outcomes import NotFound, Outcome, PermanentError, TemporaryError, ok
from shared.tenants.model import Tenant
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.guards import opened_without
from worker.integrations.authentik.models import MANAGER, OUR_KEY, Group, marker
from worker.integrations.authentik.owner import release_owners
from worker.integrations.step_context import ChangeRecorder, StepContext

#: under our key of a closed group's attributes: the members and child groups that were taken out of it
REMOVED_MEMBERS, REMOVED_CHILDREN = "heldMembers", "heldChildren"


def ensure_group(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Ensure that the tenant's group exists, carries our ownership marker, and is on record. Members stay."""
    tenant = step.tenant
    # names are unique: the first attempt need not read, since creation fails when the name exists
    group = None if step.is_first else find_group(step, authentik)
    if group is None:
        group = step.change(
            f"create the group {tenant.group_name}",
            lambda: _create_or_find(tenant, authentik),
            Group("", tenant.group_name, {OUR_KEY: group_marker(tenant)}),
        )
    # recorded with the outcome: until then the next attempt finds the group by its name, which is unique
    step.found.update(authentikGroupId=group.id)
    _align(step, group, authentik)
    return ok()


def remove_group(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Remove the group if it is provably ours and no application depends on it; then our marker on owners' accounts."""
    group = find_own_group(step, authentik)
    if group is None:
        seen = "no group with its id or name carries the tenant's ownership marker"
    else:
        delete_group(step, authentik, group)
        seen = "Authentik answers 404 for the group"
    stay = release_owners(step, authentik)
    return ok(verified=seen, **({"accounts": f"stay in Authentik: {', '.join(stay)}"} if stay else {}))


def delete_group(recorder: ChangeRecorder, authentik: AuthentikClient, group: Group) -> None:
    """Remove a group whose marker was read just now. Raises PermanentError("guards_alone")."""
    opened = opened_without(authentik, group.id)
    if opened:
        raise PermanentError("guards_alone", f"Ids of the applications: {', '.join(opened)}.")
    recorder.change(f"remove the group {group.name}", lambda: _delete_and_verify(group, authentik), None)


def find_group(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the tenant's group, if there is one. Raises PermanentError("taken") for a foreign group of its name."""
    return _by_id(step, authentik) or _by_name(step.tenant, authentik)


def find_own_group(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the tenant's group for a step that closes or removes it, and ignore a foreign group of its name.

    Raises PermanentError("taken") when the one on record exists without the tenant's marker: it may be the tenant's,
    and is open.
    """
    known = _on_record(step, authentik)
    if known is not None and known.tenant_id == step.tenant.id:
        return known
    if known is not None and not (known.tenant_id and step.is_recorded_for_another_tenant(known.id)):
        mismatch = "another tenant's ownership marker" if known.tenant_id else "no ownership marker any more"
        raise PermanentError("taken", f"The group on record carries {mismatch}; put the right one into its attributes.")
    named = authentik.find_group(step.tenant.group_name)
    return named if named is not None and named.tenant_id == step.tenant.id else None


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


def _on_record(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the group on record, even without our marker; None when it was deleted."""
    group_id = step.remote("authentikGroupId")
    if group_id is None:
        return None
    try:
        return authentik.get_group(group_id)
    except NotFound:
        return None


def _by_id(step: StepContext, authentik: AuthentikClient) -> Group | None:
    group = _on_record(step, authentik)
    return group if group is not None and group.tenant_id == step.tenant.id else None


def _by_name(tenant: Tenant, authentik: AuthentikClient) -> Group | None:
    group = authentik.find_group(tenant.group_name)
    if group is not None and group.tenant_id != tenant.id:
        raise PermanentError(
            "taken", f"A group named {tenant.group_name} exists in Authentik without this tenant's ownership marker."
        )
    return group


def _create_or_find(tenant: Tenant, authentik: AuthentikClient) -> Group:
    """Create the group. After any unclear answer, return the one that turns out to be there, if it is ours."""
    try:
        return authentik.create_group(tenant.group_name, {OUR_KEY: group_marker(tenant)})
    except (TemporaryError, PermanentError) as fault:
        if isinstance(fault, PermanentError) and fault.reason != "taken":
            raise
        group = _by_name(tenant, authentik)
        if group is None:
            raise TemporaryError("upstream_error", "The group was not created.") from fault
        return group


def _delete_and_verify(group: Group, authentik: AuthentikClient) -> None:
    try:
        authentik.delete_group(group.id)
        authentik.get_group(group.id)
    except NotFound:
        return
    raise TemporaryError("not_ready", "The group is still there.")


def _align(step: StepContext, group: Group, authentik: AuthentikClient) -> None:
    tenant = step.tenant
    known = marker(group.attributes)
    # the list of removed members is kept until the access step has added them again
    removed = {key: known[key] for key in (REMOVED_MEMBERS, REMOVED_CHILDREN) if key in known}
    if known != group_marker(tenant) | removed:
        # PATCH replaces the whole object, so that foreign keys are sent back with it
        attributes = {**group.attributes, OUR_KEY: group_marker(tenant) | removed}
        step.change(
            f"write the tenant's data into the attributes of the group {group.name}",
            lambda: authentik.update_group(group.id, attributes=attributes),
            None,
        )
    if group.name != tenant.group_name:
        step.change(
            f"rename the group {group.name} to {tenant.group_name}",
            lambda: authentik.update_group(group.id, name=tenant.group_name),
            None,
        )
