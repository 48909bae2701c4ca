"""Manage the owner's account: create it, add it to the tenant's group, invite, and release it."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.integrations.outcomes import Outcome, PermanentError, TemporaryError, ok, skipped
from shared.tenants.model import Owner, Status
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.models import MANAGER, OUR_KEY, Group, Person, marker, without_marker
from worker.integrations.step_context import StepContext


def ensure_owner(step: StepContext, owner: Owner, group: Group, authentik: AuthentikClient) -> Outcome:
    """Ensure an account that we created for this tenant: an address proves nothing, so no other account is used.

    Authentik signs in the oldest account that has the address as username or e-mail, whatever the case. When that is
    not ours, an account of ours could never sign in.
    """
    found = authentik.find_people(owner.email)
    person = found[0] if found else None
    if person is None or person.owned_tenant_id != step.tenant.id:
        person = _renamed(step, owner, authentik) or person
    _release_former(step, owner, group, authentik, person)
    if person is None:
        person = step.change(
            f"create an account for the owner {owner.email}",
            lambda: _create(step, owner, authentik),
            Person(0, owner.email, "", _attributes(step, 0)),
        )
    if person.owned_tenant_id != step.tenant.id:
        return skipped("owner_has_account")
    step.save(ownerSubject=person.subject)
    if person.id not in group.member_ids:
        sentence = f"put {person.username} into the group {group.name}"
        step.change(sentence, partial(authentik.add_member, group.id, person.id), None)
    return ok(invitation=_invite(step, owner, person, authentik))


def release_owners(step: StepContext, authentik: AuthentikClient) -> list[str]:
    """Remove our marker from the accounts that we made for the tenant's owners. Return the usernames: they stay.

    People are never deleted: the account may be in use for more than this tenant by now.
    """
    people = authentik.list_owners(step.tenant.id)
    for person in people:
        _release(step, person, authentik)
    return [person.username for person in people]


def _renamed(step: StepContext, owner: Owner, authentik: AuthentikClient) -> Person | None:
    """Return the owner's account after it got another name and address in Authentik, which keeps its subject.

    Until the tenant is active, the owner may have been replaced instead.
    """
    known = step.remote("ownerSubject")
    if known is None or step.tenant.status is Status.PENDING:
        return None
    ours = [one for one in authentik.list_owners(step.tenant.id) if one.subject == known]
    return next((one for one in ours if not one.signs_in_as(owner.email)), None)


def _release(step: StepContext, person: Person, authentik: AuthentikClient) -> None:
    step.change(
        f"remove the ownership marker from the account {person.username}, which stays",
        partial(authentik.set_attributes, person.id, without_marker(person.attributes)),
        None,
    )


def _release_former(
    step: StepContext, owner: Owner, group: Group, authentik: AuthentikClient, now: Person | None
) -> None:
    """Release the account of an owner who was replaced before the tenant was active."""
    known = step.remote("ownerSubject")
    if known is None or (now is not None and now.subject == known):
        return
    for person in authentik.list_owners(step.tenant.id):
        if person.signs_in_as(owner.email):
            continue
        if person.id in group.member_ids:
            sentence = f"take {person.username} out of the group {group.name}"
            step.change(sentence, partial(authentik.remove_member, group.id, person.id), None)
        _release(step, person, authentik)


def _create(step: StepContext, owner: Owner, authentik: AuthentikClient) -> Person:
    try:
        return authentik.create_person(owner.email, owner.name, owner.email, _attributes(step, 0))
    except (TemporaryError, PermanentError) as fault:
        if isinstance(fault, PermanentError) and fault.reason != "taken":
            raise
        found = authentik.find_people(owner.email)
        if found:
            return found[0]
        if isinstance(fault, PermanentError):
            # Authentik refused a username that is too long
            raise PermanentError("invalid", "Authentik accepts no user with the owner's address.") from None
        raise TemporaryError("upstream_error", "The account was not created.") from fault


def _invite(step: StepContext, owner: Owner, person: Person, authentik: AuthentikClient) -> str:
    """Send the requested number of invitations: the account stores how many were sent."""
    if person.invitations >= owner.invitations:
        return "sent before"
    if step.email_stage is None:
        return "not sent: AUTHENTIK_EMAIL_STAGE is not set; send the owner a recovery link from Authentik"
    send = partial(authentik.invite_person, person.id, step.email_stage, step.invitation_duration)
    try:
        step.change(f"send {person.username} an invitation", send, None)
    except PermanentError as refusal:
        if refusal.reason != "not_supported":
            raise
        return "not sent: the brand in Authentik has no recovery flow, or our account sees no such e-mail stage"
    if not step.is_dry_run:
        ours = {**marker(person.attributes), **_attributes(step, owner.invitations)[OUR_KEY]}
        authentik.set_attributes(person.id, {**person.attributes, OUR_KEY: ours})
    return "sent"


def _attributes(step: StepContext, invitations: int) -> dict[str, Any]:
    ours = {"ownerOf": step.tenant.id, "managedBy": MANAGER, "invited": invitations > 0, "invitations": invitations}
    return {OUR_KEY: ours}
