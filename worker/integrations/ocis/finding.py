"""Find a tenant's spaces: by the id on record, in the list of all, and the one that an attempt created."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from shared.integrations.outcomes import PermanentError
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.models import Account, Space
from worker.integrations.step_context import StepContext

#: reads of an empty list before it is accepted, because it is also the response while the storage is down
EMPTY_READS = 6
#: reads of a space by its id that find nothing before its absence is accepted
ABSENT_READS = 2
SEVERAL = "Several spaces in OCIS carry this tenant's ownership marker."
#: begins the description of an abandoned space; products hold it, so it never changes
ABANDONED_TEXT = "Created without members and given up."


def find_on_record(step: StepContext, ocis: OcisClient) -> Space | None:
    """Return the space on record, unless both its marker and another tenant's record claim it for that tenant.

    Without any marker it is still the tenant's: people clear and rewrite descriptions.
    """
    space_id = step.remote("ocisSpaceId")
    space = find_by_id(ocis, space_id) if space_id else None
    return space if space is not None and _is_on_record(step, space) else None


def find_by_id(ocis: OcisClient, space_id: str) -> Space | None:
    """Return a space, or None after several reads between which the storage answered.

    OCIS answers 404 while the storage is down too, and a list may lack the space: our account may be no member, and the
    index may have lost it. Without our role it answers the same: call `require_role` before absence has consequences.
    Raises TemporaryError("storage_down").
    """
    space = ocis.find_space(space_id)
    for _ in range(ABSENT_READS - 1):
        if space is None:
            ocis.require_storage()
            space = ocis.find_space(space_id)
    if space is None:
        ocis.require_storage()
    return space


def _is_on_record(step: StepContext, space: Space) -> bool:
    # the ids come first: the other two questions cost a query, and this is asked of each space in the list
    if space.id not in recorded_ids(step):
        return False
    return not (has_foreign_marker(step, space) and step.is_recorded_for_another_tenant(space.id))


def recorded_ids(step: StepContext) -> list[str]:
    """Return the ids on record: of the tenant's space, and of one that an attempt created and did not finish."""
    return [id_ for id_ in (step.remote("ocisSpaceId"), step.remote("ocisNewSpaceId")) if id_]


def _is_marked(step: StepContext, space: Space) -> bool:
    return step.signer.is_of(step.tenant.id, space.description) and not step.is_recorded_for_another_tenant(space.id)


def has_foreign_marker(step: StepContext, space: Space) -> bool:
    """Return whether the description has only other tenants' markers."""
    return step.signer.belongs_to_another(step.tenant.id, space.description)


def find_in_list(step: StepContext, ocis: OcisClient) -> Space | None:
    """Return the only space that `list_of_tenant` lists. Raises PermanentError("ambiguous") when there are several."""
    return _only([space for space in list_of_tenant(step, ocis) if not is_abandoned(space)])


def list_of_tenant(step: StepContext, ocis: OcisClient) -> list[Space]:
    """List the spaces on record and those with the tenant's marker, without those that another tenant's record names.

    One on record may have lost its marker, and a 404 by its id proves no absence while the storage is failing.
    Raises TemporaryError("storage_down") when an empty list proves nothing.
    """
    return [one for one in list_all(ocis) if _is_on_record(step, one) or _is_marked(step, one)]


def find_created(step: StepContext, ocis: OcisClient, new_id: str | None) -> tuple[Space | None, Space | None]:
    """Return the space that an attempt created, and the tenant's other one, or None for each."""
    if not new_id:
        return None, None
    found = {space.id: space for space in all_of_tenant(step, ocis) if not is_abandoned(space)}
    created = found.pop(new_id, None)
    return created, _only(list(found.values()))


def all_of_tenant(step: StepContext, ocis: OcisClient) -> Iterator[Space]:
    """Yield the spaces on record first, since a list that fails must not delay them, then all others of the tenant.

    Unless all on record are shown, our role is required before the others are searched: OCIS may have assigned it only
    now, and hides spaces from an account without one. Raises PermanentError("missing_permission").
    """
    seen: set[str] = set()
    yield from _on_record(step, ocis.find_space, seen)
    if not seen or seen != set(recorded_ids(step)):
        ocis.require_role()
        yield from _on_record(step, partial(find_by_id, ocis), seen)
    yield from (space for space in list_of_tenant(step, ocis) if space.id not in seen)


def _on_record(step: StepContext, find: Callable[[str], Space | None], seen: set[str]) -> Iterator[Space]:
    """Yield the spaces on record that are not in `seen` yet, and add them to it."""
    for space_id in recorded_ids(step):
        space = find(space_id) if space_id not in seen else None
        if space is not None and _is_on_record(step, space):
            seen.add(space.id)
            yield space


def list_all(ocis: OcisClient) -> list[Space]:
    """List all spaces. Any entry proves that the storage answered; an empty list proves nothing.

    Raises TemporaryError("storage_down").
    """
    for _ in range(EMPTY_READS):
        spaces = ocis.list_spaces()
        if spaces:
            return spaces
        ocis.require_storage()
    return []


def is_abandoned(space: Space) -> bool:
    """Return whether the space was abandoned, see `creation.abandon`."""
    return space.is_disabled and space.description.startswith(ABANDONED_TEXT)


def is_made_by(account: Account, space: Space) -> bool:
    """Return whether our account is seen to be a member, as it is of each space that it created.

    The marker alone proves less: the duplicate that a person makes of a space has it too.
    """
    return space.members is not None and account.permission in space.members


def _only(found: Sequence[Space]) -> Space | None:
    if len(found) > 1:
        raise PermanentError("ambiguous", SEVERAL)
    return found[0] if found else None
