"""The tenant's group in OCIS: create it, invite it into the space, and remove it with the tenant."""

from __future__ import annotations

import time

from shared.integrations.outcomes import NotFound, PermanentError, TemporaryError
from worker.integrations.ocis.client import OcisClient, ReadOnlyDirectory
from worker.integrations.ocis.models import SPACE_ROLES, Space
from worker.integrations.step_context import GroupState, StepContext

#: how long an attempt waits for the identity provider's step, and the interval of its reads, in seconds
GROUP_TIMEOUT, GROUP_PAUSE = 1.0, 0.1
INVITED, PENDING = "invited", "pending"
#: stands for the id of a group that a dry run would create
PLANNED = ""


def ensure_members(step: StepContext, space: Space, ocis: OcisClient, *, is_new: bool) -> str:
    """Ensure that the tenant's group is a member of the space: `invited`, or `pending` while there is no such group.

    OCIS learns of a group when one of its members signs in. It knows groups by name only, and a foreign group may have
    the name, so the group is invited once the identity provider's is on record as ours. `is_new`: the space was created
    in this attempt, so nothing is read first, which saves two of a tenant's requests. Raises NotFound when our account
    is not a member.
    """
    name = step.group_name
    group_id = _ensure_group(step, ocis, is_new=is_new) if _is_group_ours(step) else None
    # a new space has no other members; without an invitation our own membership must still be verified
    members = {} if is_new and (step.is_dry_run or group_id) else read_members(step, space, ocis)
    if group_id is None:
        return PENDING
    role = members.get(f"g:{group_id}")
    if role is None:
        step.change(
            f"invite the group {name} as {step.member_role}", lambda: _invite(step, space.id, group_id, ocis), None
        )
    elif role != SPACE_ROLES[step.member_role]:
        step.change(
            f"make the group {name} {step.member_role}",
            lambda: ocis.change_member_role(space.id, group_id, step.member_role),
            None,
        )
    return INVITED


def read_members(step: StepContext, space: Space, ocis: OcisClient) -> dict[str, str]:
    """Return the role's id of each permission. Raises NotFound when our account is not a member of the space.

    A dry run does not enable a disabled space, whose members are shown at most with the space itself.
    """
    if not (step.is_dry_run and space.is_disabled):
        return ocis.members(space.id)
    if space.members is None:
        return {}
    if ocis.account().permission not in space.members:
        raise NotFound
    return dict(space.members)


def remove_group(step: StepContext, ocis: OcisClient) -> str:
    """Remove the group if we created it. Groups that OCIS created at a member's sign-in belong to the directory.

    Return what the receipt says about a group that stays, because the directory has become read-only since.
    """
    group_id = step.remote("ocisGroupId")
    if group_id is None:
        return ""
    name = step.group_name
    try:
        step.change(f"remove the group {name} from OCIS", lambda: ocis.delete_group(group_id), None)
    except ReadOnlyDirectory:
        return f"; the group {name} stays, because the directory of OCIS is read-only now"
    except PermanentError as refusal:
        _require_lasting(refusal, ocis)
        if refusal.reason != "missing_permission":
            raise
        raise PermanentError("missing_permission", f"Removing the group {name} needs the role Admin in OCIS.") from None
    step.save(ocisGroupId=None)
    return ""


def _is_group_ours(step: StepContext) -> bool:
    """Return whether the identity provider's step, which runs in parallel, has recorded the group.

    Raises TemporaryError("not_ready") when that takes long. A later attempt goes on without the group: the scheduler's
    job for pending members has it invited.
    """
    deadline = time.monotonic() + GROUP_TIMEOUT
    while (state := step.group_state()) is GroupState.AWAITED:
        if time.monotonic() > deadline:
            raise TemporaryError(
                "not_ready", "The tenant's group is not on record in the identity provider yet.", wait=1.0
            )
        time.sleep(GROUP_PAUSE)
    return state is GroupState.RECORDED


def _ensure_group(step: StepContext, ocis: OcisClient, *, is_new: bool) -> str | None:
    """Return the id of the tenant's group. None when OCIS has none and our role or its directory allows no new one."""
    name = step.group_name
    known = None if is_new and not step.is_dry_run else ocis.find_group(name)
    if known is not None:
        return known
    if step.is_dry_run:
        return step.change(f"create the group {name} in OCIS", lambda: PLANNED, PLANNED) if _may_create(ocis) else None
    return _create_group(step, ocis, was_absent=not is_new)


def _may_create(ocis: OcisClient) -> bool:
    try:
        return ocis.may_create_groups()
    except PermanentError:
        return False


def _create_group(step: StepContext, ocis: OcisClient, *, was_absent: bool) -> str | None:
    """Create the group, or find the one that another client created at the same time.

    Only a lasting refusal proves that there will be none: taken for one, a fault would leave the tenant without its
    group. After an unclear answer a group is recorded as created by us only if its absence was read before
    (`was_absent`): a purge removes what is recorded.
    """
    name = step.group_name
    try:
        created = ocis.create_group(name)
    except PermanentError as refusal:
        _require_lasting(refusal, ocis)
        created = None
    except TemporaryError:
        # the request may have succeeded
        created = ocis.find_group(name)
        if created is None:
            raise
        if not was_absent:
            return created
    if created is None:
        return ocis.find_group(name)
    step.save(ocisGroupId=created)
    step.change(f"create the group {name} in OCIS", lambda: None, None)
    return created


def _require_lasting(refusal: PermanentError, ocis: OcisClient) -> None:
    """Check that a refusal lasts: our role is Space Admin, or this server supports no such change. Raises otherwise."""
    if refusal.reason in ("invalid", "not_supported"):
        return
    if refusal.reason != "missing_permission":
        raise refusal
    if ocis.may_create_groups():
        raise TemporaryError("not_ready", "OCIS refused the change for our role, which is Admin and allows it.")


def _invite(step: StepContext, space_id: str, group_id: str, ocis: OcisClient) -> None:
    try:
        ocis.invite_group(space_id, group_id, step.member_role)
    except PermanentError as refusal:
        if refusal.reason == "invalid" and ocis.find_group(step.group_name) != group_id:
            # replicas of a directory may know a new group only later
            raise TemporaryError("not_ready", "The group was created and is not known yet.", wait=0.5) from None
        if refusal.reason != "taken":
            raise
        ocis.change_member_role(space_id, group_id, step.member_role)
