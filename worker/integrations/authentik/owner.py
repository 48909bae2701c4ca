"""Look after the owner's account: create it, put it into the tenant's group, invite, and let go of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.integrations.outcomes import Outcome, Refused, Unavailable, ok, skipped
from shared.tenants.model import Owner
from worker.integrations.authentik.client import Authentik
from worker.integrations.authentik.models import MANAGER, OUR_KEY, Group, Person, marker, without_marker
from worker.integrations.step_context import Work


def ensure_owner(work: Work, owner: Owner, group: Group, identity: Authentik) -> Outcome:
    """Ensure an account that we made for this tenant: an address proves nothing, so nobody else's is used.

    Authentik signs in the oldest account that has the address as username or e-mail, whatever the case. When that is
    not ours, an account of ours could never sign in.
    """
    found = identity.find_people(owner.email)
    person = found[0] if found else None
    _release_former(work, owner, group, identity, person)
    if person is None:
        person = work.change(
            f"create an account for the owner {owner.email}",
            lambda: _created(work, owner, identity),
            Person(0, owner.email, "", _attributes(work, 0)),
        )
    if person.owned_tenant_id != work.tenant.id:
        return skipped("owner_has_account")
    work.save(ownerSubject=person.subject)
    if person.id not in group.member_ids:
        sentence = f"put {person.username} into the group {group.name}"
        work.change(sentence, partial(identity.add_member, group.id, person.id), None)
    return ok(invitation=_invite(work, owner, person, identity))


def release_owners(work: Work, identity: Authentik) -> list[str]:
    """Remove our marker from the accounts that we made for the tenant's owners. Return the usernames: they stay.

    People are never deleted: an account may have come to be used for more than this tenant.
    """
    people = identity.list_owners(work.tenant.id)
    for person in people:
        _release(work, person, identity)
    return [person.username for person in people]


def _release(work: Work, person: Person, identity: Authentik) -> None:
    work.change(
        f"remove the ownership marker from the account {person.username}, which stays",
        partial(identity.set_attributes, person.id, without_marker(person.attributes)),
        None,
    )


def _release_former(work: Work, owner: Owner, group: Group, identity: Authentik, now: Person | None) -> None:
    """Let go of the account of an owner who was replaced before the tenant was active."""
    known = work.remote("ownerSubject")
    if known is None or (now is not None and now.subject == known):
        return
    for person in identity.list_owners(work.tenant.id):
        if person.signs_in_as(owner.email):
            continue
        if person.id in group.member_ids:
            sentence = f"take {person.username} out of the group {group.name}"
            work.change(sentence, partial(identity.remove_member, group.id, person.id), None)
        _release(work, person, identity)


def _created(work: Work, owner: Owner, identity: Authentik) -> Person:
    try:
        return identity.create_person(owner.email, owner.name, owner.email, _attributes(work, 0))
    except (Unavailable, Refused) as fault:
        if isinstance(fault, Refused) and fault.reason != "taken":
            raise
        found = identity.find_people(owner.email)
        if found:
            return found[0]
        if isinstance(fault, Refused):
            # the complaint was about a username that is too long
            raise Refused("invalid", "Authentik takes no user of the owner's address.") from None
        raise Unavailable("upstream_error", "The account was not created.") from fault


def _invite(work: Work, owner: Owner, person: Person, identity: Authentik) -> str:
    """Send as many invitations as were asked for: the account itself remembers how many there were."""
    if person.invitations >= owner.invitations:
        return "sent before"
    if work.email_stage is None:
        return "not sent: AUTHENTIK_EMAIL_STAGE is not set; send the owner a recovery link from Authentik"
    send = partial(identity.invite_person, person.id, work.email_stage, work.invitation_duration)
    try:
        work.change(f"send {person.username} an invitation", send, None)
    except Refused as refusal:
        if refusal.reason != "not_supported":
            raise
        return "not sent: the brand in Authentik has no recovery flow, or our account sees no such e-mail stage"
    if not work.is_plan:
        ours = {**marker(person.attributes), **_attributes(work, owner.invitations)[OUR_KEY]}
        identity.set_attributes(person.id, {**person.attributes, OUR_KEY: ours})
    return "sent"


def _attributes(work: Work, invitations: int) -> dict[str, Any]:
    ours = {"ownerOf": work.tenant.id, "managedBy": MANAGER, "invited": invitations > 0, "invitations": invitations}
    return {OUR_KEY: ours}
