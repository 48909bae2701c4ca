"""The steps of OCIS: ensure, close and remove the tenant's project space.

In OCIS no name is unique and a list may wrongly be empty, so a space is the tenant's by the id on record or by its
ownership marker. Except in a tenant's first attempt, a space is created only after a list shows none of the tenant's
and proves that the storage answered. Ensuring never purges a space that may have had contents. Closing and removing act
on the space on record and on every space with the marker: a request that timed out may have had its effect later.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from shared.integrations.outcomes import NotFound, Outcome, PermanentError, TemporaryError, ok, skipped
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.creation import abandon, create_space, description, space_name
from worker.integrations.ocis.finding import (
    SEVERAL,
    all_of_tenant,
    find_created,
    find_in_list,
    find_on_record,
    has_foreign_marker,
    is_abandoned,
    is_made_by,
    recorded_ids,
)
from worker.integrations.ocis.members import PENDING, ensure_members, read_members, remove_group
from worker.integrations.ocis.models import SPACE_ROLES, Space
from worker.integrations.step_context import ChangeRecorder, StepContext

NOT_OURS = (
    "The space {} ({}) carries the tenant's marker, is not the one on record, and does not show our account among its "
    "members, as a duplicate made by a person does not. Remove the marker from its description, or make our account "
    "its manager if it belongs to the tenant."
)
OTHER_MARKER = (
    "The space on record, {} ({}), carries only another tenant's marker. If it is this tenant's, remove that marker "
    "from its description."
)
#: no limit, as the quota in a change; for a new space that is 0
UNLIMITED = -1


def ensure_files(step: StepContext, ocis: OcisClient) -> Outcome:
    """Ensure one enabled space with our ownership marker, the plan's quota, and the tenant's group as a member."""
    # the cost of a list grows with the number of tenants, so the first attempt skips it
    known = None if step.is_first else _find_space(step, ocis)
    space = known or _create(step, ocis)
    if space.is_disabled:
        step.change(f"enable the space {space.name}", lambda: ocis.restore_space(space.id), None)
    try:
        _align(step, space, ocis)
        members = ensure_members(step, space, ocis, is_new=known is None)
    except NotFound:
        abandon(step, space, ocis, is_new=known is None)
        return ok(members=PENDING)
    # only now: the id on record means that the space was in use, so that it may have contents
    step.found.update(ocisSpaceId=space.id, ocisNewSpaceId=None, ocisMembers=members)
    return ok(members=members, over_quota=_over_quota(step, space))


def close_files(step: StepContext, ocis: OcisClient) -> Outcome:
    """Disable the space: its data and members are kept, but not accessible.

    It counts as absent only once our role is seen to show all spaces.
    """
    closed, copies = set(), []
    for space in all_of_tenant(step, ocis):
        if not _is_ours(step, space, ocis):
            copies.append(space)
            continue
        if not space.is_disabled:
            step.change(f"disable the space {space.name}", partial(ocis.disable_space, space.id), None)
        closed.add(space.id)
    if closed:
        return ok(left_open=", ".join(f"{one.name} ({one.id})" for one in copies))
    if copies:
        raise PermanentError("ambiguous", NOT_OURS.format(copies[0].name, copies[0].id))
    return skipped("nothing_there")


def remove_files(step: StepContext, ocis: OcisClient) -> Outcome:
    """Remove the space with its data, and the group if we created it.

    It counts as absent only while the storage answers and our role shows all spaces.
    """
    ocis.require_role()
    spaces = list(all_of_tenant(step, ocis))
    for space in spaces:
        _require_ours(step, space, ocis)
    for space in spaces:
        remove_space(step, ocis, space)
    if step.is_dry_run:
        remove_group(step, ocis)
        return ok()
    # it asks for our role again, since no id on record is shown any more
    if list(all_of_tenant(step, ocis)):
        raise TemporaryError("not_ready", "The space is still listed.")
    remaining = remove_group(step, ocis)
    return ok(verified=f"not listed, while the storage answered and our account could see all spaces{remaining}")


def _require_ours(step: StepContext, space: Space, ocis: OcisClient) -> None:
    """Refuse to remove a space that may belong to others. Raises PermanentError("ambiguous" | "taken")."""
    if has_foreign_marker(step, space):
        raise PermanentError("taken", OTHER_MARKER.format(space.name, space.id))
    if not _is_ours(step, space, ocis):
        raise PermanentError("ambiguous", NOT_OURS.format(space.name, space.id))


def _is_ours(step: StepContext, space: Space, ocis: OcisClient) -> bool:
    """Return whether our record names the space, or it is seen to be ours: a duplicate copies the marker."""
    return space.id in recorded_ids(step) or is_abandoned(space) or is_made_by(ocis.account(), space)


def remove_space(recorder: ChangeRecorder, ocis: OcisClient, space: Space) -> None:
    """Remove a space with its data. Call it only for a space that was read just now and is ours."""
    if not space.is_disabled:
        recorder.change(f"disable the space {space.name}", partial(ocis.disable_space, space.id), None)
    recorder.change(f"remove the space {space.name} with its data", partial(_purge, space, ocis), None)


def _purge(space: Space, ocis: OcisClient) -> None:
    # others may have removed it, or it is hidden from us: the check afterwards decides
    with suppress(NotFound):
        ocis.purge_space(space.id)


def _find_space(step: StepContext, ocis: OcisClient) -> Space | None:
    created = _resolve_duplicate(step, ocis, step.remote("ocisNewSpaceId"))
    known = created or find_on_record(step, ocis) or find_in_list(step, ocis)
    if known is not None and has_foreign_marker(step, known):
        # another space instead would leave the people of this tenant without their files
        raise PermanentError("taken", OTHER_MARKER.format(known.name, known.id))
    return known


def _resolve_duplicate(step: StepContext, ocis: OcisClient, new_id: str | None) -> Space | None:
    """Return the space that an earlier attempt created, once it is seen to be the only one.

    Otherwise the older one stays and the second one is removed, if it is verified to be empty, with us as its only
    member. A search may have found none because the storage was down at that moment, or because an earlier request to
    create one succeeded only after we had stopped waiting for it.
    """
    second, first = find_created(step, ocis, new_id)
    if second is None or first is None:
        return second or first
    if second.members is None or set(second.members) != {ocis.account().permission} or second.used:
        raise PermanentError("ambiguous", SEVERAL)
    if second.is_disabled:
        # an earlier attempt began to remove it; only an enabled space shows its files and its trash bin
        sentence = f"enable the second space {second.name}, to remove it if it holds no files"
        step.change(sentence, partial(ocis.restore_space, second.id), None)
        if step.is_dry_run:
            return first
        second = replace(second, is_disabled=False)
    if ocis.has_content(second.id):
        raise PermanentError("ambiguous", SEVERAL)
    remove_space(step, ocis, second)
    if not step.is_dry_run and find_created(step, ocis, new_id)[0] is not None:
        raise TemporaryError("not_ready", "The second space is still listed.")
    return first


def _create(step: StepContext, ocis: OcisClient) -> Space:
    name = space_name(step.tenant.name)
    if step.is_dry_run:
        # without a role the search finds nothing, and the run would be refused
        ocis.require_role()
    planned = Space("", name, description(step), step.plan.space_bytes, 0, False)
    made = step.change(f"create the space {name}", lambda: create_space(step, ocis), planned)
    if step.is_dry_run or step.is_first:
        return made
    space = _resolve_duplicate(step, ocis, made.id)
    if space is None:
        raise TemporaryError("not_ready", "The space was created and is not listed yet.", wait=0.5)
    return space


def _over_quota(step: StepContext, space: Space) -> str | None:
    """Return a note when more is used than the plan allows. Nothing is removed: OCIS only refuses new files."""
    limit, used = step.plan.space_bytes, space.used or 0
    return f"{used} bytes are used, the plan allows {limit}" if 0 < limit < used else None


def _align(step: StepContext, space: Space, ocis: OcisClient) -> None:
    """Bring name, quota and ownership marker in line. People may write anything else into the description."""
    changes: dict[str, object] = {}
    if space.name != space_name(step.tenant.name):
        changes["name"] = space_name(step.tenant.name)
    if space.quota != step.plan.space_bytes:
        # here 0 would set the server's maximum, if it has one
        changes["quota"] = {"total": step.plan.space_bytes or UNLIMITED}
    marked = step.signer.marked(step.tenant.id, space.description)
    if marked != space.description:
        if not step.signer.is_of(step.tenant.id, space.description):
            return _write_marker_back(step, space, ocis, {**changes, "description": marked})
        changes["description"] = marked
    if changes:
        what = ", ".join(sorted(changes))
        step.change(f"set {what} of the space {space.name}", lambda: ocis.update_space(space.id, changes), None)


def _write_marker_back(step: StepContext, space: Space, ocis: OcisClient, changes: dict[str, object]) -> None:
    """Restore a removed marker in the space on record, if we are its manager."""
    role = read_members(step, space, ocis).get(ocis.account().permission)
    if role != SPACE_ROLES["manager"]:
        raise PermanentError("marker_removed", f"The space is {space.name}.")
    what = ", ".join(sorted(set(changes) - {"description"}))
    sentence = f"write the ownership marker back into the description of the space {space.name}"
    step.change(
        sentence + (f", and set its {what}" if what else ""), lambda: ocis.update_space(space.id, changes), None
    )
