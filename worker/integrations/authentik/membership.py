"""Grant and revoke access: the tenant's group gives all access, so membership is granted last and revoked first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shared.integrations.outcomes import NotFound, Outcome, TemporaryError, ok, skipped
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import REMOVED_CHILDREN, REMOVED_MEMBERS, find_group, find_own_group
from worker.integrations.authentik.models import OUR_KEY, Group, marker
from worker.integrations.authentik.owner import ensure_owner
from worker.integrations.step_context import StepContext, run_all


def ensure_access(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Add all removed members again, and ensure the owner's account, membership and invitation."""
    group = find_group(step, authentik)
    if group is None:
        if step.is_dry_run:
            return ok()
        raise TemporaryError("not_ready", "The tenant's group does not exist yet.")
    _add_again(step, group, authentik)
    if step.tenant.owner is None:
        return ok()
    return ensure_owner(step, step.tenant.owner, group, authentik)


def close_access(step: StepContext, authentik: AuthentikClient) -> Outcome:
    """Remove all members and child groups from the group. They are recorded first, so that a resume can restore all.

    Our own account stays a member and is not counted.
    """
    group = find_own_group(step, authentik)
    if group is None:
        return skipped("nothing_there")
    members = group.member_ids - {authentik.own_id()} if group.member_ids else group.member_ids
    removed, children = _removed_members(group) | members, _removed_children(group) | group.child_ids
    if (removed, children) != (_removed_members(group), _removed_children(group)):
        record = partial(_record_removed, group, removed, children, authentik)
        step.change(f"record the members of the group {group.name}", record, None)
    for_members = (
        _change(step, f"take user {one} out of the group {group.name}", partial(_out, group, one, authentik))
        for one in sorted(members)
    )
    run_all([*for_members, *_moves(step, group, group.child_ids, authentik, inside=False)])
    notes = {"childGroups": f"{len(children)} removed, recorded for resume"} if children else {}
    return ok(members=f"{len(removed)} removed, recorded for resume", **notes)


def _add_again(step: StepContext, group: Group, authentik: AuthentikClient) -> None:
    removed, children = _removed_members(group), _removed_children(group)
    for_members = (
        _change(step, f"let user {one} into the group {group.name}", partial(_in, group, one, authentik))
        for one in sorted(removed - group.member_ids)
    )
    run_all([*for_members, *_moves(step, group, children - group.child_ids, authentik, inside=True)])
    if removed or children:
        forget = partial(_record_removed, group, frozenset(), frozenset(), authentik)
        step.change(f"delete the record of removed members of {group.name}", forget, None)


def _change(step: StepContext, sentence: str, act: Callable[[], None]) -> Callable[[], None]:
    return partial(step.change, sentence, act, None)


def _moves(
    step: StepContext, group: Group, children: frozenset[str], authentik: AuthentikClient, *, inside: bool
) -> list[Callable[[], None]]:
    """Return the changes that add child groups to the tenant's group or remove them."""
    order = "put the child group {} into the group {}" if inside else "take the child group {} out of the group {}"
    return [
        _change(step, order.format(one, group.name), partial(_move_child, one, group, authentik, inside=inside))
        for one in sorted(children)
    ]


def _removed_members(group: Group) -> frozenset[int]:
    recorded = marker(group.attributes).get(REMOVED_MEMBERS)
    return frozenset(one for one in recorded if isinstance(one, int)) if isinstance(recorded, list) else frozenset()


def _removed_children(group: Group) -> frozenset[str]:
    recorded = marker(group.attributes).get(REMOVED_CHILDREN)
    return frozenset(one for one in recorded if isinstance(one, str)) if isinstance(recorded, list) else frozenset()


def _record_removed(
    group: Group, members: frozenset[int], children: frozenset[str], authentik: AuthentikClient
) -> None:
    removed = {REMOVED_MEMBERS: sorted(members), REMOVED_CHILDREN: sorted(children)}
    ours = {key: value for key, value in marker(group.attributes).items() if key not in removed}
    recorded = {key: value for key, value in removed.items() if value}
    authentik.update_group(group.id, attributes={**group.attributes, OUR_KEY: ours | recorded})


def _out(group: Group, member: int, authentik: AuthentikClient) -> None:
    try:
        authentik.remove_member(group.id, member)
    except NotFound:
        _require_gone(member, authentik)  # and its membership with it


def _in(group: Group, member: int, authentik: AuthentikClient) -> None:
    try:
        authentik.add_member(group.id, member)
    except NotFound:
        _require_gone(member, authentik)


def _move_child(child_id: str, group: Group, authentik: AuthentikClient, *, inside: bool) -> None:
    """Add a child group to the tenant's group or remove it; its other parents stay. A deleted one is ignored."""
    try:
        child = authentik.get_group(child_id)
    except NotFound:
        return
    others = [one for one in child.parent_ids if one != group.id]
    if (group.id in child.parent_ids) != inside:
        authentik.set_parents(child_id, [*others, group.id] if inside else others)


def _require_gone(member: int, authentik: AuthentikClient) -> None:
    """Verify that an account was deleted: Authentik also responds "not found" to a caller who may not see it.

    Raises PermanentError("missing_permission"), TemporaryError.
    """
    try:
        authentik.get_person(member)
    except NotFound:
        return
    raise TemporaryError("unexpected_answer", f"User {member} exists, although Authentik responded that it does not.")
