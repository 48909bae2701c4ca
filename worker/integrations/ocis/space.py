"""The tenant's project space in OCIS, and its group's place in it.

Nothing in OCIS is unique and absence is often a lie, so a space is ours by its stamp alone. But for a tenant's first
attempt none is made unless a list that the storage is known to have answered shows none, and one that turns out to be
a second is taken away again. What closes or removes does so to every space with the stamp: a request that was given up
may have had its effect later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from shared.integrations.outcomes import Missing, Outcome, Refused, Unavailable, ok, skipped
from shared.tenants.model import Tenant
from worker.integrations.ocis.client import Ocis
from worker.integrations.ocis.members import ensure_members, make_anew
from worker.integrations.ocis.models import Space
from worker.integrations.step_context import Deeds, Work

FORBIDDEN = re.compile(r'[/\\.:?*"><|\x00-\x1f]')
LONGEST_NAME = 255
#: an empty list is what OCIS answers while its storage is down, too: so often in a row it must be seen
EMPTY_LOOKS = 6


def ensure_files(work: Work, files: Ocis) -> Outcome:
    """One enabled space, with our stamp, the plan's quota, and the tenant's group invited."""
    # a list costs more with every tenant there is: the first attempt does without
    known = None if work.is_first else _known(work, files)
    found = known or _new(work, files)
    work.save(ocisSpaceId=found.id, ocisNewSpaceId=None)
    if found.is_disabled:
        work.change(f"enable the space {found.name}", lambda: files.restore_space(found.id), None)
    _align(work, found, files)
    if work.is_plan and found.is_disabled:
        return ok()  # who its members are is shown to nobody while it is disabled
    try:
        return ok(members=ensure_members(work, found, files, is_new=known is None))
    except Missing:
        make_anew(work, found, files)
        return ok(members="pending")


def close_files(work: Work, files: Ocis) -> Outcome:
    """The space is disabled: its data and members are kept, nobody reaches them.

    That there is none is believed only while our role shows all spaces.
    """
    is_there = False
    for space in _all_ours(work, files):
        is_there = True
        if not space.is_disabled:
            work.change(f"disable the space {space.name}", partial(files.disable_space, space.id), None)
    _require_stamp(work, files)
    if is_there:
        return ok()
    files.require_role()
    return skipped("nothing_there")


def remove_files(work: Work, files: Ocis) -> Outcome:
    """The space is gone with its data. Its absence is believed only while the storage and our role can be seen."""
    for space in _all_ours(work, files):
        take_space_away(work, files, space)
    _require_stamp(work, files)
    if work.is_plan:
        return ok()
    files.require_role()
    if _stamped(work, files):
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


def _known(work: Work, files: Ocis) -> Space | None:
    found = _settled(work, work.remote("ocisNewSpaceId"), files) or _by_id(work, files) or _by_stamp(work, files)
    if found is None:
        _require_stamp(work, files)
    return found


def _by_id(work: Work, files: Ocis) -> Space | None:
    space_id = work.remote("ocisSpaceId")
    space = files.find_space(space_id) if space_id else None
    return space if space is not None and _is_ours(work, space) else None


def _require_stamp(work: Work, files: Ocis) -> None:
    """The space on record, if it is there, carries a stamp: one that was written over cannot be proven the tenant's,
    and with another in its place, or said to be closed, its files would be lost or open. Raises Refused("taken").
    """
    space_id = work.remote("ocisSpaceId")
    space = files.find_space(space_id) if space_id else None
    if space is not None and work.stamper.tenant_id(space.description) is None:
        raise Refused("taken", "The space on record carries no stamp any more; put it back into its description.")


def _by_stamp(work: Work, files: Ocis) -> Space | None:
    return _only(_stamped(work, files))


def _only(found: Sequence[Space]) -> Space | None:
    if len(found) > 1:
        raise Refused("ambiguous", "Several spaces in OCIS carry this tenant's stamp.")
    return found[0] if found else None


def _all_ours(work: Work, files: Ocis) -> Iterator[Space]:
    """Every space with our stamp: the one on record first, which no list that fails shall hold up."""
    on_record = _by_id(work, files)
    if on_record is not None:
        yield on_record
    for space in _stamped(work, files):
        if on_record is None or space.id != on_record.id:
            yield space


def _stamped(work: Work, files: Ocis) -> list[Space]:
    """The spaces that carry our stamp; none only when that can be believed."""
    return [space for space in list_all(files) if _is_ours(work, space)]


def list_all(files: Ocis) -> list[Space]:
    """All spaces. One of whosoever in the list shows that the storage answered; an empty one shows nothing by itself.

    Raises Unavailable("storage_down").
    """
    for _ in range(EMPTY_LOOKS):
        spaces = files.list_spaces()
        if spaces:
            return spaces
        files.require_storage()
    return []


def _new(work: Work, files: Ocis) -> Space:
    name = space_name(work.tenant.name)
    planned = Space("", name, _description(work), work.plan.space_bytes, 0, False)
    return work.change(f"create the space {name}", lambda: _created(work, files), planned)


def _created(work: Work, files: Ocis) -> Space:
    """A new space; after any unclear answer the one that turns out to be there."""
    tenant = work.tenant
    try:
        made = files.create_space(
            space_name(tenant.name), f"project/{tenant.group_name}", _description(work), work.plan.space_bytes
        )
    except Unavailable:
        space = _by_stamp(work, files)
        if space is None:
            raise
        return space
    if work.is_first:
        # nobody asked for one before, none else may while this attempt has time, and the request was answered
        return made
    # on record before anything else can fail, or nobody would know any more which of two was the second
    work.save(ocisNewSpaceId=made.id)
    space = _settled(work, made.id, files)
    if space is None:
        raise Unavailable("not_ready", "The space was made and is not listed yet.", wait=0.5)
    return space


def _settled(work: Work, new_id: str | None, files: Ocis) -> Space | None:
    """The space made lately, once it is seen to be the only one; a second one goes, and the one before it stays.

    A look may have found none since the storage was down in that moment, or since an earlier request to make one, given
    up by us, had its effect only later. Nobody was invited into the second one.
    """
    if not new_id or work.is_plan:
        return None
    found = {space.id: space for space in _stamped(work, files)}
    made = found.pop(new_id, None)
    if made is None or not found:
        return made or _only(list(found.values()))
    if made.used:
        raise Refused("ambiguous", "Several spaces in OCIS carry this tenant's stamp.")
    take_space_away(work, files, made)
    if any(space.id == new_id for space in _stamped(work, files)):
        raise Unavailable("not_ready", "The second space is still listed.")
    return _only(list(found.values()))


def _align(work: Work, space: Space, files: Ocis) -> None:
    wanted = {"name": space_name(work.tenant.name), "description": _description(work)}
    changes: dict[str, object] = {key: text for key, text in wanted.items() if getattr(space, key) != text}
    if space.quota != work.plan.space_bytes:
        changes["quota"] = {"total": work.plan.space_bytes}
    if changes:
        what = ", ".join(sorted(changes))
        work.change(f"set {what} of the space {space.name}", lambda: files.update_space(space.id, changes), None)


def space_name(tenant_name: str) -> str:
    """The tenant's name as a space may be called: no forbidden characters, at most 255 bytes, not blank."""
    name = FORBIDDEN.sub("-", tenant_name).strip()
    return name.encode()[:LONGEST_NAME].decode(errors="ignore").strip() or "tenant"


def _description(work: Work) -> str:
    return f"Files of {_one_line(work.tenant)} {work.stamper.text(work.tenant.id)}"


def _one_line(tenant: Tenant) -> str:
    return " ".join(tenant.name.split())


def _is_ours(work: Work, space: Space) -> bool:
    return work.stamper.is_of(work.tenant.id, space.description)
