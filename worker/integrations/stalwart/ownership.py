"""Decide which mail domains are a tenant's, by ownership marker and record."""

from __future__ import annotations

from collections.abc import Sequence

from shared.integrations.outcomes import PermanentError
from worker.integrations.stalwart.closed.record import DomainRecord
from worker.integrations.stalwart.models import MailDomain
from worker.integrations.step_context import StepContext


def domains_of(step: StepContext, every: Sequence[MailDomain]) -> list[MailDomain]:
    """Return the tenant's domains by the marker, not by our record: one that left the tenant is still the tenant's.

    The marker on a domain that another tenant's record names is a copy.
    """
    marked = [one for one in every if step.signer.tenant_id(one.description) == step.tenant.id]
    on_record = DomainRecord(step).ids
    return [one for one in marked if one.id in on_record or not step.is_recorded_for_another_tenant(one.id)]


def closable_domains(step: StepContext, every: Sequence[MailDomain]) -> list[MailDomain]:
    """Return the tenant's domains, and those on its record alone whose marker a person overwrote.

    Closing can be undone, so the record is enough for it; a removal needs the marker.
    """
    on_record, own = DomainRecord(step).ids, domains_of(step, every)
    return [one for one in every if one in own or (one.id in on_record and not is_of_another(step, one))]


def require_markers(step: StepContext, every: Sequence[MailDomain]) -> None:
    """Require the tenant's marker on every domain that is on record and exists.

    A domain without the marker is not proven to be the tenant's, so the step must not report it as removed, and one
    with another tenant's marker not as closed. Raises PermanentError("marker_removed" | "taken").
    """
    on_record = DomainRecord(step).ids
    others = [
        (one, owner)
        for one in every
        if one.id in on_record and (owner := step.signer.tenant_id(one.description)) != step.tenant.id
    ]
    bare = [one.name for one, owner in others if owner is None]
    if bare:
        raise PermanentError("marker_removed", f"The mail domains are {', '.join(bare)}.")
    # a domain with another tenant's marker and on that tenant's record is on this record by mistake
    marked = [one.name for one, _ in others if not step.is_recorded_for_another_tenant(one.id)]
    if marked:
        raise PermanentError(
            "taken", f"On this tenant's record, but with another tenant's ownership marker: {', '.join(marked)}."
        )


def is_of_another(step: StepContext, domain: MailDomain) -> bool:
    """Return whether another tenant's marker or record claims a domain."""
    has_other_marker = step.signer.belongs_to_another(step.tenant.id, domain.description)
    return has_other_marker or step.is_recorded_for_another_tenant(domain.id)
