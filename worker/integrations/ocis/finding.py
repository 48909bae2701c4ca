"""Find a tenant's spaces: by the id on record, by the ownership marker, and the one that an attempt created."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.integrations.outcomes import Refused
from worker.integrations.ocis.client import Ocis
from worker.integrations.ocis.models import Space
from worker.integrations.step_context import Work

#: an empty list is also the answer while the storage is down: it is read this often before it is believed
EMPTY_READS = 6
#: begins the description of a space that was created without members and is not used any more
GIVEN_UP = "Created without members and given up."


def find_on_record(work: Work, files: Ocis) -> Space | None:
    """Return the space whose id is on record, unless another tenant's marker stands in its description.

    Without any marker it is still the tenant's: people clear and rewrite descriptions.
    """
    space_id = work.remote("ocisSpaceId")
    space = files.find_space(space_id) if space_id else None
    if space is None or work.stamper.belongs_to_another(work.tenant.id, space.description):
        return None
    return space


def find_by_marker(work: Work, files: Ocis) -> Space | None:
    """Return the only space with the tenant's marker. Raises Refused("ambiguous") when there are several."""
    return _only([space for space in find_marked(work, files) if not is_given_up(space)])


def find_marked(work: Work, files: Ocis) -> list[Space]:
    """List the spaces with the tenant's marker. Raises Unavailable("storage_down") when absence cannot be believed."""
    return [space for space in list_all(files) if work.stamper.is_of(work.tenant.id, space.description)]


def find_created(work: Work, files: Ocis, new_id: str | None) -> tuple[Space | None, Space | None]:
    """Return the space that an attempt created, by its id, and the only other one with the tenant's marker."""
    if not new_id:
        return None, None
    found = {space.id: space for space in find_marked(work, files) if not is_given_up(space)}
    created = found.pop(new_id, None)
    return created, _only(list(found.values()))


def all_of_tenant(work: Work, files: Ocis) -> Iterator[Space]:
    """Yield the space on record first, since a list that fails must not delay it, then all others with the marker."""
    on_record = find_on_record(work, files)
    if on_record is not None:
        yield on_record
    for space in find_marked(work, files):
        if on_record is None or space.id != on_record.id:
            yield space


def list_all(files: Ocis) -> list[Space]:
    """List all spaces. Any entry shows that the storage answered; an empty list shows nothing by itself.

    Raises Unavailable("storage_down").
    """
    for _ in range(EMPTY_READS):
        spaces = files.list_spaces()
        if spaces:
            return spaces
        files.require_storage()
    return []


def is_given_up(space: Space) -> bool:
    """Return whether the space was given up, see `creation.give_up`."""
    return space.is_disabled and space.description.startswith(GIVEN_UP)


def _only(found: Sequence[Space]) -> Space | None:
    if len(found) > 1:
        raise Refused("ambiguous", "Several spaces in OCIS carry this tenant's ownership marker.")
    return found[0] if found else None
