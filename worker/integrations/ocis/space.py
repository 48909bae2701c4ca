"""The steps of OCIS: ensure, close and remove the tenant's project space.

Nothing in OCIS is unique and absence is often untrue, so a space is the tenant's by the id on record or by its
ownership marker. Except in a tenant's first attempt, a space is created only after a list that the storage is known to
have answered showed none. Ensuring never purges a space that may ever have held anything. Closing and removing act on
the space on record and on every space with the marker: a request that was given up may have had its effect later.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from shared.integrations.outcomes import Missing, Outcome, Refused, Unavailable, ok, skipped
from worker.integrations.ocis.client import Ocis
from worker.integrations.ocis.creation import create_space, description, give_up, space_name
from worker.integrations.ocis.finding import all_of_tenant, find_by_marker, find_created, find_on_record
from worker.integrations.ocis.members import PENDING, ensure_members, read_members, remove_group
from worker.integrations.ocis.models import SPACE_ROLES, Space
from worker.integrations.step_context import Deeds, Work


def ensure_files(work: Work, files: Ocis) -> Outcome:
    """Ensure one enabled space with our ownership marker, the plan's quota, and the tenant's group as a member."""
    # a list costs more with every tenant there is, so the first attempt does without one
    known = None if work.is_first else _known(work, files)
    space = known or _create(work, files)
    if space.is_disabled:
        work.change(f"enable the space {space.name}", lambda: files.restore_space(space.id), None)
    try:
        _align(work, space, files)
        members = ensure_members(work, space, files, is_new=known is None)
    except Missing:
        give_up(work, space, files, is_new=known is None)
        return ok(members=PENDING)
    # only now: the id on record says that we were seen in this space, so that it may hold something
    work.found.update(ocisSpaceId=space.id, ocisNewSpaceId=None, ocisMembers=members)
    return ok(members=members, **_over_quota(work, space))


def close_files(work: Work, files: Ocis) -> Outcome:
    """Disable the space: its data and members are kept, and nobody reaches them.

    Its absence is believed only while our role shows all spaces.
    """
    found = False
    for space in all_of_tenant(work, files):
        found = True
        if not space.is_disabled:
            work.change(f"disable the space {space.name}", partial(files.disable_space, space.id), None)
    if found:
        return ok()
    files.require_role()
    return skipped("nothing_there")


def remove_files(work: Work, files: Ocis) -> Outcome:
    """Remove the space with its data, and the group if we created it.

    Absence is believed only while the storage answers and our role shows all spaces.
    """
    for space in all_of_tenant(work, files):
        remove_space(work, files, space)
    if work.is_plan:
        remove_group(work, files)
        return ok()
    files.require_role()
    if list(all_of_tenant(work, files)):
        raise Unavailable("not_ready", "The space is still listed.")
    remove_group(work, files)
    return ok(verified="listed by nobody, with the storage answering and our role over all spaces in place")


def remove_space(deeds: Deeds, files: Ocis, space: Space) -> None:
    """Remove a space with its data. Call it only for a space that was read just now and is ours."""
    if not space.is_disabled:
        deeds.change(f"disable the space {space.name}", partial(files.disable_space, space.id), None)
    deeds.change(f"remove the space {space.name} with its data", partial(_purge, space, files), None)


def _purge(space: Space, files: Ocis) -> None:
    try:
        files.purge_space(space.id)
    except Missing:
        return  # removed by somebody else, or not shown to us: the check afterwards decides


def _known(work: Work, files: Ocis) -> Space | None:
    created = _settled(work, files, work.remote("ocisNewSpaceId"))
    return created or find_on_record(work, files) or find_by_marker(work, files)


def _settled(work: Work, files: Ocis, new_id: str | None) -> Space | None:
    """Return the space that an earlier attempt created, once it is seen to be the only one.

    Otherwise the older one stays and the second one is removed, if it is seen to be empty with nobody but us in it. A
    search may have found none because the storage was down at that moment, or because an earlier request to create one,
    given up by us, had its effect only later.
    """
    second, first = find_created(work, files, new_id)
    if second is None or first is None:
        return second or first
    if second.is_disabled and not work.is_plan:
        # by an earlier attempt that began to remove it; only an enabled space shows its files
        files.restore_space(second.id)
        second = replace(second, is_disabled=False)
    if not _is_untouched(work, second, files):
        raise Refused("ambiguous", "Several spaces in OCIS carry this tenant's ownership marker.")
    remove_space(work, files, second)
    if not work.is_plan and find_created(work, files, new_id)[0] is not None:
        raise Unavailable("not_ready", "The second space is still listed.")
    return first


def _is_untouched(work: Work, space: Space, files: Ocis) -> bool:
    """Return whether a space is seen to have no members but us, no files, and an empty trash bin."""
    if space.members is None or set(space.members) != {files.account().permission} or space.used:
        return False
    if space.is_disabled and work.is_plan:
        return True  # the rest is not shown of a disabled space
    return files.has_content(space.id) is False


def _create(work: Work, files: Ocis) -> Space:
    name = space_name(work.tenant.name)
    planned = Space("", name, description(work), work.plan.space_bytes, 0, False)
    made = work.change(f"create the space {name}", lambda: create_space(work, files), planned)
    if work.is_plan or work.is_first:
        return made
    space = _settled(work, files, made.id)
    if space is None:
        raise Unavailable("not_ready", "The space was created and is not listed yet.", wait=0.5)
    return space


def _over_quota(work: Work, space: Space) -> dict[str, str]:
    """A note when more is used than the plan allows. Nothing is removed for that: OCIS only refuses new files."""
    limit, used = work.plan.space_bytes, space.used or 0
    return {"over_quota": f"{used} bytes are used, the plan allows {limit}"} if 0 < limit < used else {}


def _align(work: Work, space: Space, files: Ocis) -> None:
    """Bring name, quota and ownership marker in line. People may write anything else into the description."""
    changes: dict[str, object] = {}
    if space.name != space_name(work.tenant.name):
        changes["name"] = space_name(work.tenant.name)
    if space.quota != work.plan.space_bytes:
        changes["quota"] = {"total": work.plan.space_bytes}
    marked = work.stamper.marked(work.tenant.id, space.description)
    if marked != space.description:
        if not work.stamper.is_of(work.tenant.id, space.description):
            return _write_marker_back(work, space, files, {**changes, "description": marked})
        changes["description"] = marked
    if changes:
        what = ", ".join(sorted(changes))
        work.change(f"set {what} of the space {space.name}", lambda: files.update_space(space.id, changes), None)


def _write_marker_back(work: Work, space: Space, files: Ocis, changes: dict[str, object]) -> None:
    """Put a removed marker back into the space on record, if we are its manager."""
    role = read_members(work, space, files).get(files.account().permission)
    if role != SPACE_ROLES["manager"]:
        raise Refused("marker_removed", f"The space is {space.name}.")
    what = ", ".join(sorted(set(changes) - {"description"}))
    sentence = f"write the ownership marker back into the description of the space {space.name}"
    work.change(
        sentence + (f", and set its {what}" if what else ""), lambda: files.update_space(space.id, changes), None
    )
