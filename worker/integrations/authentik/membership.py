"""Grant and revoke access: the tenant's group gives all access, so membership is granted last and revoked first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from shared.integrations.outcomes import NotFound, Outcome, TemporaryError, ok, skipped
from shared.tenants.model import CLOSED
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import (
    REMOVED_CHILDREN,
    REMOVED_MEMBERS,
    find_group,
    find_own_group,
    noted_removals,
)
from worker.integrations.authentik.models import OUR_KEY, Group, marker
from worker.integrations.authentik.owner import ensure_owner
from worker.integrations.step_context import StepContext, enumerate_names, read_or_none, run_all


def ensure_access(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Add all removed members again, and ensure the owner's account, membership and invitation."""
    group = find_group(step, authentik)
    if group is None:
        if not step.is_dry_run:
            raise TemporaryError("not_ready", "The tenant's group does not exist yet.")
        group = Group("", step.group_name, {})
    removed, children = _removed_members(step, group), _removed_children(step, group)
    notes = _add_again(step, group, removed, children, authentik)
    owner, members = step.tenant.owner, group.member_ids | removed
    outcome = ensure_owner(step, owner, group, members, authentik) if owner else ok()
    return replace(outcome, notes={**outcome.notes, **notes})


def close_access(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Remove all members and child groups from the group. They are recorded first, so that a resume can restore all.

    Our own account stays a member and is not counted.
    """
    group = find_own_group(step, authentik)
    if group is None:
        return skipped("nothing_there")
    members = group.member_ids - {authentik.own_id()} if group.member_ids else group.member_ids
    removed, children = _removed_members(step, group) | members, _removed_children(step, group) | group.child_ids
    # a tool may write its own attributes over ours, so our record has the list too
    step.save(removedMembers=_removed_fields(removed, children) or None)
    if _removed_fields(removed, children) != noted_removals(group):
        record = partial(_note_removed, group, removed, children, authentik)
        step.change(f"record the members of the group {group.name}", record, None)
    for_members = (
        _change(step, f"take user {one} out of the group {group.name}", partial(_out, group, one, authentik))
        for one in sorted(members)
    )
    run_all([*for_members, *_moves(step, group, group.child_ids, authentik, [], inside=False)])
    child_groups = f"{len(children)} removed, recorded for resume" if children else None
    return ok(members=f"{len(removed)} removed, recorded for resume", childGroups=child_groups)


def _add_again(
    step: StepContext, group: Group, removed: frozenset[int], children: frozenset[str], authentik: AuthentikClient
) -> dict[str, str]:
    """Add all that was taken out of the group. Return a note about those that do not exist any more."""
    gone: list[int | str] = []
    for_members = (
        _change(step, f"let user {one} into the group {group.name}", partial(_in, group, one, authentik, gone))
        for one in sorted(removed - group.member_ids)
    )
    run_all([*for_members, *_moves(step, group, children - group.child_ids, authentik, gone, inside=True)])
    if noted_removals(group):
        forget = partial(_note_removed, group, frozenset(), frozenset(), authentik)
        step.change(f"delete the record of removed members of {group.name}", forget, None)
    step.save(removedMembers=None)
    return {"notAddedAgain": f"deleted meanwhile: {enumerate_names([str(one) for one in gone])}"} if gone else {}


def _change(step: StepContext, sentence: str, act: Callable[[], None]) -> Callable[[], None]:
    return partial(step.change, sentence, act, None)


def _moves(
    step: StepContext,
    group: Group,
    children: frozenset[str],
    authentik: AuthentikClient,
    gone: list[int | str],
    *,
    inside: bool,
) -> list[Callable[[], None]]:
    """Return the changes that add child groups to the tenant's group or remove them."""
    order = "put the child group {} into the group {}" if inside else "take the child group {} out of the group {}"
    return [
        _change(step, order.format(one, group.name), partial(_move_child, one, group, authentik, gone, inside=inside))
        for one in sorted(children)
    ]


def _removed_members(step: StepContext, group: Group) -> frozenset[int]:
    return frozenset(one for one in _removed(step, group, REMOVED_MEMBERS) if isinstance(one, int))


def _removed_children(step: StepContext, group: Group) -> frozenset[str]:
    return frozenset(one for one in _removed(step, group, REMOVED_CHILDREN) if isinstance(one, str))


def _removed(step: StepContext, group: Group, key: str) -> Iterator[Any]:
    """Yield what was taken out of the group, from its attributes and, for a closed tenant, from our record.

    An active tenant's record is obsolete: older workers do not delete it when they resume the tenant.
    """
    recorded = step.remote("removedMembers") if step.tenant.status in CLOSED else None
    for source in (marker(group.attributes), recorded or {}):
        listed = source.get(key)
        yield from listed if isinstance(listed, list) else ()


def _removed_fields(members: frozenset[int], children: frozenset[str]) -> dict[str, Any]:
    fields = {REMOVED_MEMBERS: sorted(members), REMOVED_CHILDREN: sorted(children)}
    return {key: value for key, value in fields.items() if value}


def _note_removed(group: Group, members: frozenset[int], children: frozenset[str], authentik: AuthentikClient) -> None:
    noted = noted_removals(group)
    ours = {key: value for key, value in marker(group.attributes).items() if key not in noted}
    attributes = {**group.attributes, OUR_KEY: ours | _removed_fields(members, children)}
    authentik.update_group(group.id, attributes=attributes)


def _out(group: Group, member: int, authentik: AuthentikClient) -> None:
    try:
        authentik.remove_member(group.id, member)
    except NotFound:
        _require_gone(member, authentik)  # and its membership with it


def _in(group: Group, member: int, authentik: AuthentikClient, gone: list[int | str]) -> None:
    try:
        authentik.add_member(group.id, member)
    except NotFound:
        _require_gone(member, authentik)
        gone.append(member)


def _move_child(
    child_id: str, group: Group, authentik: AuthentikClient, gone: list[int | str], *, inside: bool
) -> None:
    """Add a child group to the tenant's group or remove it; its other parents stay. A deleted one is added to `gone`.

    Raises TemporaryError when Authentik answers 404 for a child that the tenant's group still has: it may be hidden.
    """
    child = read_or_none(partial(authentik.get_group, child_id))
    if child is None:
        if child_id in authentik.get_group(group.id).child_ids:
            detail = f"The child group {child_id} exists, although Authentik responded that it does not."
            raise TemporaryError("unexpected_answer", detail)
        gone.append(child_id)
        return
    others = [one for one in child.parent_ids if one != group.id]
    if (group.id in child.parent_ids) != inside:
        authentik.set_parents(child_id, [*others, group.id] if inside else others)


def _require_gone(member: int, authentik: AuthentikClient) -> None:
    """Verify that an account was deleted: Authentik also responds "not found" to a caller who may not see it.

    Raises PermanentError("missing_permission"), TemporaryError.
    """
    if read_or_none(partial(authentik.get_person, member)) is not None:
        detail = f"User {member} exists, although Authentik responded that it does not."
        raise TemporaryError("unexpected_answer", detail)
