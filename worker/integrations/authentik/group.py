"""Provision and remove the tenant's group: tokens carry its name, and its members belong to the tenant."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NoReturn

from shared.integrations.outcomes import NotFound, Outcome, PermanentError, TemporaryError, ok
from shared.tenants.model import Tenant
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.models import MANAGER, OUR_KEY, Binding, Group, marker
from worker.integrations.authentik.owner import release_owners
from worker.integrations.step_context import ChangeRecorder, StepContext, read_or_none

#: under our key of a closed group's attributes: the members and child groups that were taken out of it
REMOVED_MEMBERS, REMOVED_CHILDREN = "heldMembers", "heldChildren"


def ensure_group(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Ensure that the tenant's group exists, carries our ownership marker, and is on record. Members stay."""
    tenant = step.tenant
    # names are unique: the first attempt need not read, since creation fails when the name exists
    group = None if step.is_first else find_group(step, authentik)
    if group is None:
        group = step.change(
            f"create the group {step.group_name}",
            lambda: _create_or_find(step, authentik),
            Group("", step.group_name, {OUR_KEY: group_marker(tenant)}),
        )
    _ensure_name(step, group, authentik)
    # recorded with the outcome: until then the next attempt finds the group by its name, which is unique
    step.found.update(authentikGroupId=group.id)
    _ensure_marker(step, group, authentik)
    return ok()


def remove_group(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Remove the group if it is provably ours and no application depends on it; then our marker on owners' accounts.

    Raises PermanentError("marker_missing"): somebody may have deleted the marker to keep the group.
    """
    group = find_own_group(step, authentik)
    if group is None:
        seen = "no group with its id or name carries the tenant's ownership marker"
    elif group.tenant_id is None:
        raise PermanentError("marker_missing", f"The group is {group.name}.")
    else:
        delete_group(step, authentik, group)
        seen = "Authentik answers 404 for the group"
    stay = release_owners(step, authentik)
    return ok(verified=seen, accounts=f"stay in Authentik: {', '.join(stay)}" if stay else None)


def delete_group(recorder: ChangeRecorder, authentik: AuthentikClient, group: Group) -> None:
    """Remove a group whose marker was read just now. Raises PermanentError("guards_alone")."""
    opened = opened_without(authentik, group.id)
    if opened:
        raise PermanentError("guards_alone", f"Ids of the applications: {', '.join(opened)}.")
    recorder.change(f"remove the group {group.name}", lambda: _delete_and_verify(group, authentik), None)


def find_group(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the tenant's group: the one on record, even without our marker, or one with our marker.

    Raises PermanentError("taken") for a foreign group of its name, and PermanentError("marker_replaced").
    """
    known = _on_record(step, authentik)
    if known is not None:
        return known
    named = _named(step, authentik)
    if named is None:
        return _marked(step, authentik)
    return named if named.tenant_id == step.tenant.id else _refuse(step, named, _marked(step, authentik))


def find_own_group(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the tenant's group for a step that closes or removes it, and ignore a foreign group of its name.

    Raises PermanentError("marker_replaced") when the one on record has another tenant's marker: it may be the tenant's,
    and is open.
    """
    known = _on_record(step, authentik)
    if known is not None:
        return known
    named = _named(step, authentik)
    return named if named is not None and named.tenant_id == step.tenant.id else _marked(step, authentik)


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


def noted_removals(group: Group) -> dict[str, Any]:
    """Return the part of the group's attributes about what was taken out of it."""
    ours = marker(group.attributes)
    return {key: ours[key] for key in (REMOVED_MEMBERS, REMOVED_CHILDREN) if key in ours}


def _on_record(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the group on record; None when it was deleted, or belongs to a tenant whose record names it too.

    Without any marker it is still the tenant's: people clear and rewrite attributes.
    """
    group_id = step.remote("authentikGroupId")
    group = read_or_none(partial(authentik.get_group, group_id)) if group_id is not None else None
    if group is None or group.tenant_id in (None, step.tenant.id):
        return group
    if step.is_recorded_for_another_tenant(group.id):
        return None
    raise PermanentError("marker_replaced", f"The group on record is {group.name}.")


def _named(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the group of the tenant's name, after the one on record was not found.

    Raises TemporaryError when it is the one on record: then the 404 proves no absence.
    """
    named = authentik.find_group(step.group_name)
    if named is not None and not named.tenant_id:
        require_absence(step.remote("authentikGroupId"), [named])
    return named


def require_absence(group_id: str | None, listed: Iterable[Group]) -> None:
    """Require that Authentik does not list a group for which it answered 404.

    Raises TemporaryError("unexpected_answer").
    """
    if any(one.id == group_id for one in listed):
        raise TemporaryError("unexpected_answer", "Authentik lists the group on record and answers 404 for it.")


def _marked(step: StepContext, authentik: AuthentikClient) -> Group | None:
    """Return the group with our marker under another name. Raises PermanentError("ambiguous") for several."""
    found = authentik.list_marked_groups(step.tenant.id)
    own = [one for one in found if not step.is_recorded_for_another_tenant(one.id)]
    if len(own) > 1:
        names = ", ".join(sorted(one.name for one in own))
        raise PermanentError("ambiguous", f"Groups in Authentik with this tenant's marker: {names}.")
    return own[0] if own else None


def _refuse(step: StepContext, foreign: Group, own: Group | None) -> NoReturn:
    """Raise PermanentError("taken"). Tokens carry names: no group may be on record while a foreign one has the name."""
    step.found.update(authentikGroupId=None)
    detail = f"The group {foreign.name} in Authentik does not carry this tenant's ownership marker."
    raise PermanentError("taken", f"{detail} The tenant's own group is named {own.name} now." if own else detail)


def _create_or_find(step: StepContext, authentik: AuthentikClient) -> Group:
    """Create the group. After any unclear answer, return the one that turns out to be there, if it is ours."""
    tenant = step.tenant
    try:
        return authentik.create_group(step.group_name, {OUR_KEY: group_marker(tenant)})
    except (TemporaryError, PermanentError) as fault:
        if isinstance(fault, PermanentError) and fault.reason != "taken":
            raise
        group = authentik.find_group(step.group_name)
        if group is None:
            raise TemporaryError("upstream_error", "The group was not created.") from fault
        return group if group.tenant_id == tenant.id else _refuse(step, group, None)


def _delete_and_verify(group: Group, authentik: AuthentikClient) -> None:
    try:
        authentik.delete_group(group.id)
        authentik.get_group(group.id)
    except NotFound:
        return
    raise TemporaryError("not_ready", "The group is still there.")


def _ensure_name(step: StepContext, group: Group, authentik: AuthentikClient) -> None:
    """Give a renamed group its name back. Raises PermanentError("taken") when a foreign group has it now."""
    name = step.group_name
    if group.name == name:
        return
    named = authentik.find_group(name)
    if named is not None:
        _refuse(step, named, group)
    step.change(f"rename the group {group.name} to {name}", lambda: authentik.update_group(group.id, name=name), None)


def _ensure_marker(step: StepContext, group: Group, authentik: AuthentikClient) -> None:
    tenant = step.tenant
    # the list of removed members is kept until the access step has added them again
    wanted = group_marker(tenant) | noted_removals(group)
    if marker(group.attributes) == wanted:
        return
    what = "the tenant's data into" if group.tenant_id else "the ownership marker back into"
    # PATCH replaces the whole object, so that foreign keys are sent back with it
    attributes = {**group.attributes, OUR_KEY: wanted}
    step.change(
        f"write {what} the attributes of the group {group.name}",
        lambda: authentik.update_group(group.id, attributes=attributes),
        None,
    )


def opened_without(authentik: AuthentikClient, group_id: str) -> list[str]:
    """Return the targets that would become open to others after the group's bindings are deleted.

    An application without an enabled binding is open to everybody. With the policy mode `all` every binding restricts
    access, so the loss of one admits more people even if others stay. An application that our account cannot read
    counts as one of mode `all`. Raises PermanentError("missing_permission") when our account may see no bindings.
    """
    bindings = authentik.list_bindings()
    targets = sorted({one.target for one in bindings if one.group == group_id and one.enabled})
    others = {target: [one for one in bindings if _is_other(one, target, group_id)] for target in targets}
    guarded = [target for target in targets if any(one.admits_only_named for one in others[target])]
    modes = _modes(authentik) if guarded else {}
    return [target for target in targets if target not in guarded or modes.get(target) != "any"]


def _is_other(binding: Binding, target: str, group_id: str) -> bool:
    return binding.target == target and binding.group != group_id


def _modes(authentik: AuthentikClient) -> dict[str, str]:
    try:
        return authentik.application_modes()
    except PermanentError as refusal:
        if refusal.reason != "missing_permission":
            raise
        return {}
