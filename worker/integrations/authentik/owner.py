"""Manage the owner's account: create it, add it to the tenant's group, invite, and release it."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from shared.integrations.outcomes import Outcome, PermanentError, TemporaryError, ok, skipped
from shared.tenants.model import Owner, Status
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.models import MANAGER, OUR_KEY, Group, Person, without_marker
from worker.integrations.step_context import StepContext, read_or_none


def ensure_owner(
    step: StepContext, owner: Owner, group: Group, members: Collection[int], authentik: AuthentikClient
) -> Outcome:
    """Give the owner access until the tenant is active, and later when an invitation is requested.

    Otherwise an administrator decides about people: what they changed is noted, not undone. `members`: user numbers of
    the group's present members.
    """
    known = None if step.is_first else _find_known(step, owner, authentik)
    found = authentik.find_people(known.username if known else owner.email)
    account_that_signs_in = found[0] if found else known
    if not _is_requested(step, owner):
        if known is not None and account_that_signs_in is not None and account_that_signs_in.id != known.id:
            return skipped("owner_has_account")
        return ok(owner=_deviation(step, known, members))
    if step.tenant.status is Status.PENDING and not step.is_first:
        _release_former(step, owner, members, group, authentik)
    person = _ensure_account(step, owner, known, account_that_signs_in, authentik)
    if person is None:
        # decided: a later reconcile does not ask again
        step.found.update(ownerGranted=owner.invitations)
        return skipped("owner_has_account")
    mailed = _mailed(step, person)
    step.save(ownerSubject=person.subject, ownerAccountId=person.id, ownerMailed=mailed)
    if person.id not in members:
        sentence = f"put {person.username} into the group {group.name}"
        step.change(sentence, partial(authentik.add_member, group.id, person.id), None)
    invitation = _invite(step, owner, person, mailed, authentik)
    step.found.update(ownerGranted=owner.invitations)
    return ok(invitation=invitation)


def release_owners(step: StepContext, authentik: AuthentikClient) -> list[str]:
    """Remove our marker from the accounts that we made for the tenant's owners. Return the usernames: they stay.

    People are never deleted: the account may be in use for more than this tenant by now.
    """
    people = authentik.list_owners(step.tenant.id)
    for person in people:
        _release(step, person, authentik)
    return [person.username for person in people]


def _is_requested(step: StepContext, owner: Owner) -> bool:
    """Return whether the owner is to get access: until the tenant is active, and for each further invitation."""
    return step.tenant.status is Status.PENDING or owner.invitations > _granted(step)


def _granted(step: StepContext) -> int:
    """Return how many requests for the owner's access were carried out.

    Older workers do not record it: they gave the owner of an active tenant access with its activation.
    """
    recorded: int | None = step.remote("ownerGranted")
    if recorded is not None:
        return recorded
    is_older = step.tenant.activation_id is None or step.remote("ownerSubject") is not None
    return int(step.tenant.status is Status.ACTIVE and is_older)


def _deviation(step: StepContext, known: Person | None, members: Collection[int]) -> str | None:
    """Return a note when the owner has no access although the tenant was active before."""
    if known is not None and known.id in members:
        return None
    if known is not None:
        state = "the account is not in the tenant's group, and is not put into it again"
    elif step.remote("ownerSubject") is not None:
        state = "the account does not exist any more, and is not created again"
    else:
        state = "there is no account of ours"
    return f"{state}; send the invitation again if the owner is to have access"


def _find_known(step: StepContext, owner: Owner, authentik: AuthentikClient) -> Person | None:
    """Return the account that we made for this owner, whatever its username and address are by now."""
    subject, number = step.remote("ownerSubject"), step.remote("ownerAccountId")
    recorded = read_or_none(partial(authentik.get_person, number)) if number is not None else None
    # the same number with another subject: an account of another Authentik, restored or installed anew
    found = [recorded] if recorded and recorded.subject == subject else authentik.list_owners(step.tenant.id)
    if step.tenant.status is Status.PENDING:
        found = [one for one in found if one.is_made_for(owner.email)]
    return next((one for one in found if one.subject == subject), found[0] if found else None)


def _ensure_account(
    step: StepContext, owner: Owner, known: Person | None, person: Person | None, authentik: AuthentikClient
) -> Person | None:
    """Return an account that we created for this tenant: an address proves nothing, so no other account is used.

    `person`: the account that signs in with the owner's address: Authentik takes the oldest one that has it as username
    or e-mail, whatever the case. Returns None when that account is not ours: then one of ours could never sign in.
    """
    if person is None:
        person = step.change(
            f"create an account for the owner {owner.email}",
            lambda: _create(step, owner, authentik),
            Person(0, owner.email, "", _attributes(step, owner)),
        )
    if known is not None and person.id == known.id and person.owned_tenant_id is None:
        attributes = {**person.attributes, **_attributes(step, owner)}
        sentence = f"write the ownership marker back into the account {person.username}"
        step.change(sentence, partial(authentik.set_attributes, person.id, attributes), None)
        return person
    return person if person.owned_tenant_id == step.tenant.id else None


def _release(step: StepContext, person: Person, authentik: AuthentikClient) -> None:
    step.change(
        f"remove the ownership marker from the account {person.username}, which stays",
        partial(authentik.set_attributes, person.id, without_marker(person.attributes)),
        None,
    )


def _release_former(
    step: StepContext, owner: Owner, members: Collection[int], group: Group, authentik: AuthentikClient
) -> None:
    """Release the accounts of owners who were replaced before the tenant was active."""
    for person in authentik.list_owners(step.tenant.id):
        if person.is_made_for(owner.email):
            continue
        if person.id in members:
            sentence = f"take {person.username} out of the group {group.name}"
            step.change(sentence, partial(authentik.remove_member, group.id, person.id), None)
        _release(step, person, authentik)


def _create(step: StepContext, owner: Owner, authentik: AuthentikClient) -> Person:
    try:
        return authentik.create_person(owner.email, owner.name, owner.email, _attributes(step, owner))
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


def _mailed(step: StepContext, person: Person) -> int:
    """Return how many invitations were mailed to this account."""
    recorded = step.remote("ownerMailed") if person.subject == step.remote("ownerSubject") else None
    return max(recorded or 0, person.invitations)


def _invite(step: StepContext, owner: Owner, person: Person, mailed: int, authentik: AuthentikClient) -> str:
    """Send the requested number of invitations. Each is on our record at once, so that a later fault repeats none."""
    if mailed >= owner.invitations:
        return "sent before"
    if step.email_stage is None:
        return "not sent: AUTHENTIK_EMAIL_STAGE is not set; send the owner a recovery link from Authentik"
    send = partial(authentik.invite_person, person.id, step.email_stage, step.invitation_duration)
    try:
        step.change(f"send {person.username} an invitation", send, None)
    except PermanentError as refusal:
        if refusal.reason != "not_supported":
            raise
        return f"not sent: {refusal.detail}"
    step.save(ownerMailed=owner.invitations)
    return "sent"


def _attributes(step: StepContext, owner: Owner) -> dict[str, Any]:
    return {OUR_KEY: {"ownerOf": step.tenant.id, "managedBy": MANAGER, "address": owner.email}}
