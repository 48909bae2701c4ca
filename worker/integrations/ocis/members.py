"""The place of a tenant's group in its space, and what becomes of a space that was made without members."""

from __future__ import annotations

from shared.integrations.outcomes import Missing, Refused, Unavailable
from worker.integrations.ocis.client import SPACE_ROLES, Ocis
from worker.integrations.ocis.models import Space
from worker.integrations.step_context import Work


def ensure_members(work: Work, space: Space, files: Ocis, *, is_new: bool) -> str:
    """`invited`, or `pending` while OCIS does not know the group: it learns of it when a member signs in.

    `is_new`: nobody is in it yet, and the group is hardly there: not looking first saves two of a tenant's requests.
    Raises Missing when our own account is no member of the space.
    """
    name = work.tenant.group_name
    if work.is_plan and not space.id:
        work.change(f"invite the group {name} as {work.member_role}", lambda: None, None)
        return "invited"
    group_id = _group_id(work, files, is_new=is_new)
    if group_id is None:
        files.find_member_role(space.id, "")  # still tells whether we are a member
        return "pending"
    role = None if is_new else files.find_member_role(space.id, group_id)
    if role is None:
        work.change(
            f"invite the group {name} as {work.member_role}",
            lambda: _invite(work, space.id, group_id, files),
            None,
        )
    elif role != SPACE_ROLES[work.member_role]:
        work.change(
            f"make the group {name} {work.member_role}",
            lambda: files.change_member_role(space.id, group_id, work.member_role),
            None,
        )
    return "invited"


def _group_id(work: Work, files: Ocis, *, is_new: bool) -> str | None:
    name = work.tenant.group_name
    known = None if is_new else files.find_group(name)
    return known or (None if work.is_plan else _made_group(name, files))


def _invite(work: Work, space_id: str, group_id: str, files: Ocis) -> None:
    try:
        files.invite_group(space_id, group_id, work.member_role)
    except Refused as refusal:
        if refusal.reason == "invalid" and files.find_group(work.tenant.group_name) != group_id:
            # said to be made, and not there: a directory whose copies lag behind knows it a little later
            raise Unavailable("not_ready", "The group was made and is not known yet.", wait=0.5) from None
        if refusal.reason != "taken":
            raise
        files.change_member_role(space_id, group_id, work.member_role)


def _made_group(name: str, files: Ocis) -> str | None:
    """The group made now, by us or another. None where our role, or a read-only directory, makes none.

    A fault is no such answer: taken for one, it would leave the group out until somebody reconciles.
    """
    try:
        made = files.create_group(name)
    except Refused as refusal:
        _require_reason(refusal, files)
        made = None
    except Unavailable:
        made = files.find_group(name)
        if made is None:
            raise
    return made or files.find_group(name)


def _require_reason(refusal: Refused, files: Ocis) -> None:
    """The refusal is one that lasts: our role is Space Admin, or this server makes no such group. Raises otherwise."""
    if refusal.reason in ("invalid", "not_supported"):
        return
    if refusal.reason != "missing_permission":
        raise refusal
    if files.may_make_groups():
        raise Unavailable("not_ready", "A group was refused for our role, which is Admin and allows it.")


# -- a space that was made without any


def make_anew(work: Work, space: Space, files: Ocis) -> None:
    """A space without members goes, and the next attempt makes another."""
    sentence = f"remove the space {space.name}, which was made without members, and make it again"
    work.announce_removals([sentence])
    work.remove(sentence, lambda: _remove_memberless(work, space, files))
    if not work.is_plan:
        raise Unavailable("not_ready", "The space was made without members; it is made again.", wait=0.5)


def _remove_memberless(work: Work, space: Space, files: Ocis) -> None:
    """A create that failed half-way leaves a space nobody can be invited to; it is empty, so it may go."""
    files.require_storage()
    seen = files.find_space(space.id)
    if seen is None:
        return
    if _has_us_in(space, files):
        raise Unavailable("storage_down", "A space with members was said to have none.")
    files.require_storage()
    is_ours = work.stamper.is_of(work.tenant.id, seen.description)
    if seen.is_disabled or seen.has_members or seen.used != 0 or not is_ours:
        raise Refused("locked_out")
    files.disable_space(space.id)
    files.purge_space(space.id)


def _has_us_in(space: Space, files: Ocis) -> bool:
    try:
        files.find_member_role(space.id, "")
    except Missing:
        return False
    return True
