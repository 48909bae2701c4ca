"""Create a tenant's space, and abandon one that was created without members."""

from __future__ import annotations

import re
from functools import partial

from shared.integrations.outcomes import PermanentError, TemporaryError
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.finding import ABANDONED_TEXT, find_in_list, list_all
from worker.integrations.ocis.models import Space
from worker.integrations.step_context import StepContext, read_or_none

FORBIDDEN = re.compile(r'[/\\.:?*"><|\x00-\x1f]')
MAX_NAME_LENGTH = 255


def create_space(step: StepContext, ocis: OcisClient) -> Space:
    """Create a space; after an unclear answer, return the one that turns out to exist.

    The id is recorded before anything else can fail: only it shows which of two spaces was the second.
    """
    tenant = step.tenant
    try:
        made = ocis.create_space(
            space_name(tenant.name), f"project/{step.group_name}", description(step), step.plan.space_bytes
        )
    except TemporaryError:
        found = find_in_list(step, ocis)
        if found is None:
            raise
        return found
    step.save(ocisNewSpaceId=made.id)
    return made


def space_name(tenant_name: str) -> str:
    """Return the tenant's name as a space may have it: no forbidden characters, at most 255 bytes, not blank."""
    name = FORBIDDEN.sub("-", tenant_name).strip()
    return name.encode()[:MAX_NAME_LENGTH].decode(errors="ignore").strip() or "tenant"


def description(step: StepContext) -> str:
    """Return the description of a new space."""
    return step.signer.marked(step.tenant.id, f"Files of {' '.join(step.tenant.name.split())}")


def abandon(step: StepContext, space: Space, ocis: OcisClient, *, is_new: bool) -> None:
    """Handle a space that our account is no member of. Raises unless this is a dry run.

    A request to create a space that fails half-way leaves one without members, to which no account can add any. It is
    disabled and kept, and the next attempt creates another. A space that may have contents is not changed:
    then somebody removed our account, and an operator has to put it back.
    """
    shown = _require_locked_out(space, ocis)
    if not _was_never_used(step, shown, ocis, is_new=is_new):
        raise PermanentError("locked_out", f"The space is {space.name}.")
    sentence = f"disable the space {space.name}, which was created without members, and create another"
    step.announce_removals([sentence])
    step.remove(sentence, lambda: _disable(step, space, ocis))
    if not step.is_dry_run:
        raise TemporaryError("not_ready", "The space was created without members; another one is created.", wait=0.5)


def _require_locked_out(space: Space, ocis: OcisClient) -> Space:
    """Check with a second read that we are no member, and return the space as it is shown now.

    Raises TemporaryError when we are, or when the storage is down, and PermanentError("missing_permission") without our
    role: OCIS answers 404 also to a member's change that the role or the membership does not allow.
    """
    ocis.require_role()
    ocis.require_storage()
    shown = ocis.find_space(space.id)
    if shown is None:
        raise TemporaryError("not_ready", "The space is not shown any more.")
    if read_or_none(partial(ocis.members, space.id)) is not None:
        raise TemporaryError("storage_down", "A space with members was said to have none.")
    ocis.require_storage()
    return shown


def _was_never_used(step: StepContext, space: Space, ocis: OcisClient, *, is_new: bool) -> bool:
    """Return whether our account was never seen as a member, and the space has neither members nor files.

    An id on record as the tenant's space means that it was. The size proves little: files in the trash bin do not
    count, and are not shown to us. Nobody can have used a space in the attempt that created it.
    """
    on_record, created = step.remote("ocisSpaceId"), step.remote("ocisNewSpaceId")
    was_seen = on_record == space.id or (on_record is not None and not is_new and created != space.id)
    if was_seen or space.members or space.used:
        return False
    return is_new or _shows_members(ocis)


def _shows_members(ocis: OcisClient) -> bool:
    """Return whether the server shows the members of any space. If not, a space that shows none proves nothing."""
    return any(one.members for one in list_all(ocis))


def _disable(step: StepContext, space: Space, ocis: OcisClient) -> None:
    # the text comes first: a space that is disabled without it would be enabled again
    ocis.update_space(space.id, {"description": step.signer.marked(step.tenant.id, ABANDONED_TEXT)})
    ocis.disable_space(space.id)
