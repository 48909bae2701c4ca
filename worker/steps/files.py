"""The tenant's project space in OCIS, and its group's place in it.

Nothing in OCIS is unique and absence is often a lie, so a space is ours by its stamp alone, and none is made unless the
storage was seen working before and after the look that found none.
"""

from __future__ import annotations

import re
from functools import partial

from shared.domain.faults import Missing, Outcome, Refused, Unavailable, ok, skipped
from shared.domain.tenant import Tenant
from worker.integrations.ocis import SPACE_ROLES, Ocis, Space
from worker.steps.work import Deeds, Work

FORBIDDEN = re.compile(r'[/\\.:?*"><|\x00-\x1f]')
LONGEST_NAME = 255


def ensure_files(work: Work, files: Ocis) -> Outcome:
    """One enabled space, with our stamp, the plan's quota, and the tenant's group invited."""
    space = _by_id(work, files) or _by_stamp(work, files)
    if space is None:
        name = space_name(work.tenant.name)
        planned = Space("", name, _description(work), work.plan.space_bytes, 0, False)
        space = work.change(f"create the space {name}", lambda: _created(work, files), planned)
    work.save(ocisSpaceId=space.id)
    found = space
    if found.is_disabled:
        work.change(f"enable the space {found.name}", lambda: files.restore_space(found.id), None)
    _align(work, found, files)
    if work.is_plan and found.is_disabled:
        return ok()  # who its members are is shown to nobody while it is disabled
    try:
        return ok(members=_ensure_members(work, found, files))
    except Missing:
        _make_anew(work, found, files)
        return ok(members="pending")


def close_files(work: Work, files: Ocis) -> Outcome:
    """The space is disabled: its data and members are kept, nobody reaches them."""
    space = _by_id(work, files) or _by_stamp(work, files)
    if space is None:
        return skipped("nothing_there")
    if not space.is_disabled:
        work.change(f"disable the space {space.name}", partial(files.disable_space, space.id), None)
    return ok()


def remove_files(work: Work, files: Ocis) -> Outcome:
    """The space is gone with its data. Its absence is believed only while the storage and our role can be seen."""
    space = _by_id(work, files) or _by_stamp(work, files)
    if space is not None:
        take_space_away(work, files, space)
    if work.is_plan:
        return ok()
    files.require_role()
    if _by_stamp(work, files) is not None:
        raise Unavailable("not_ready", "The space is still listed.")
    return ok(verified="listed by nobody, with the storage answering and our role over all spaces in place")


def take_space_away(deeds: Deeds, files: Ocis, space: Space) -> None:
    """Remove a space, with its data, whose stamp was read just now."""
    if not space.is_disabled:
        deeds.change(f"disable the space {space.name}", partial(files.disable_space, space.id), None)
    deeds.change(f"remove the space {space.name} with its data", partial(_purge, space, files), None)


def _purge(space: Space, files: Ocis) -> None:
    try:
        files.purge_space(space.id)
    except Missing:
        return  # gone by another's hand, or not to be seen: the look afterwards decides


# -- the space


def _by_id(work: Work, files: Ocis) -> Space | None:
    space_id = work.remote("ocisSpaceId")
    space = files.find_space(space_id) if space_id else None
    return space if space is not None and _is_ours(work, space) else None


def _by_stamp(work: Work, files: Ocis) -> Space | None:
    """The space that carries our stamp; None only when its absence can be believed."""
    files.require_storage()
    found = [space for space in files.list_spaces() if _is_ours(work, space)]
    if len(found) > 1:
        raise Refused("ambiguous", "Several spaces in OCIS carry this tenant's stamp.")
    if not found:
        files.require_storage()
    return found[0] if found else None


def _created(work: Work, files: Ocis) -> Space:
    """A new space; after any unclear answer the one that turns out to be there."""
    tenant = work.tenant
    try:
        return files.create_space(
            space_name(tenant.name), f"project/{tenant.group_name}", _description(work), work.plan.space_bytes
        )
    except Unavailable:
        space = _by_stamp(work, files)
        if space is None:
            raise
        return space


def _align(work: Work, space: Space, files: Ocis) -> None:
    wanted = {"name": space_name(work.tenant.name), "description": _description(work)}
    changes: dict[str, object] = {key: text for key, text in wanted.items() if getattr(space, key) != text}
    if space.quota != work.plan.space_bytes:
        changes["quota"] = {"total": work.plan.space_bytes}
    if changes:
        what = ", ".join(sorted(changes))
        work.change(f"set {what} of the space {space.name}", lambda: files.update_space(space.id, changes), None)


def _make_anew(work: Work, space: Space, files: Ocis) -> None:
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
    if seen.is_disabled or seen.used != 0 or not _is_ours(work, seen):
        raise Refused("locked_out")
    files.disable_space(space.id)
    files.purge_space(space.id)


# -- its members


def _ensure_members(work: Work, space: Space, files: Ocis) -> str:
    """`invited`, or `pending` while OCIS does not know the group: it learns of it when a member signs in.

    Raises Missing when our own account is no member of the space.
    """
    name = work.tenant.group_name
    if work.is_plan and not space.id:
        work.change(f"invite the group {name} as {work.member_role}", lambda: None, None)
        return "invited"
    group_id = files.find_group(name) or (None if work.is_plan else _made_group(name, files))
    if group_id is None:
        files.find_member_role(space.id, "")  # still tells whether we are a member
        return "pending"
    role = files.find_member_role(space.id, group_id)
    if role is None:
        work.change(
            f"invite the group {name} as {work.member_role}",
            lambda: _invite(space.id, group_id, work.member_role, files),
            None,
        )
    elif role != SPACE_ROLES[work.member_role]:
        work.change(
            f"make the group {name} {work.member_role}",
            lambda: files.change_member_role(space.id, group_id, work.member_role),
            None,
        )
    return "invited"


def _invite(space_id: str, group_id: str, role: str, files: Ocis) -> None:
    try:
        files.invite_group(space_id, group_id, role)
    except Refused as refusal:
        if refusal.reason != "taken":
            raise
        files.change_member_role(space_id, group_id, role)


def _made_group(name: str, files: Ocis) -> str | None:
    """The group made now, by us or another. None where our role, or a read-only directory, forbids it.

    A fault is no such answer: taken for one, it would leave the group out until somebody reconciles.
    """
    try:
        made = files.create_group(name)
    except Refused:
        made = None
    except Unavailable:
        made = files.find_group(name)
        if made is None:
            raise
    return made or files.find_group(name)


def space_name(tenant_name: str) -> str:
    """The tenant's name as a space may be called: no forbidden characters, at most 255 bytes, not blank."""
    name = FORBIDDEN.sub("-", tenant_name).strip()
    return name.encode()[:LONGEST_NAME].decode(errors="ignore").strip() or "tenant"


def _description(work: Work) -> str:
    return f"Files of {_one_line(work.tenant)} {work.stamper.text(work.tenant.id)}"


def _one_line(tenant: Tenant) -> str:
    return " ".join(tenant.name.split())


def _is_ours(work: Work, space: Space) -> bool:
    return work.stamper.tenant_id(space.description) == work.tenant.id
