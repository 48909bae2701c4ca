"""Who is in the tenant's group: its owner at first, nobody while it is closed, and everybody again afterwards.

Membership of the group is what opens everything, so it is given last and taken at once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.integrations.outcomes import Missing, Outcome, Refused, Unavailable, ok, skipped
from shared.tenants.model import Owner
from worker.integrations.authentik.client import OUR_KEY, Authentik, Group, Person
from worker.integrations.authentik.group import HELD, find_group, find_own_group
from worker.integrations.step_context import Work, do_all


def ensure_access(work: Work, identity: Authentik) -> Outcome:
    """Who was taken out is in again, and the owner, if there is one, has an account, membership and an invitation."""
    group = find_group(work, identity)
    if group is None:
        if work.is_plan:
            return ok()
        raise Unavailable("not_ready", "The tenant's group is not there yet.")
    _let_in_again(work, group, identity)
    if work.tenant.owner is None:
        return ok()
    return _ensure_owner(work, work.tenant.owner, group, identity)


def close_access(work: Work, identity: Authentik) -> Outcome:
    """Nobody is in the group; who was is noted in it first, so that an interruption forgets nobody."""
    group = find_own_group(work, identity)
    if group is None:
        return skipped("nothing_there")
    held = _held(group)
    if not group.member_ids <= held:
        held = held | group.member_ids
        work.change(f"note the members of the group {group.name}", partial(_write_held, group, held, identity), None)
    do_all(
        partial(
            work.change,
            f"take user {member} out of the group {group.name}",
            partial(_out, group, member, identity),
            None,
        )
        for member in sorted(group.member_ids)
    )
    return ok(members=f"{len(held)} held")


def _let_in_again(work: Work, group: Group, identity: Authentik) -> None:
    held = _held(group)
    do_all(
        partial(
            work.change, f"let user {member} into the group {group.name}", partial(_in, group, member, identity), None
        )
        for member in sorted(held - group.member_ids)
    )
    if held:
        nobody: frozenset[int] = frozenset()
        work.change(f"forget who was held of {group.name}", partial(_write_held, group, nobody, identity), None)


# -- the owner


def _ensure_owner(work: Work, owner: Owner, group: Group, identity: Authentik) -> Outcome:
    """An account of our own making for this tenant, never somebody's found by an address that proves nothing."""
    person = identity.find_person(owner.email)
    if person is None:
        person = work.change(
            f"create an account for the owner {owner.email}",
            lambda: _created(work, owner, identity),
            Person(0, owner.email, "", _owner_attributes(work, invited=False)),
        )
    if person.owned_tenant_id != work.tenant.id:
        return skipped("owner_has_account")
    work.save(ownerSubject=person.subject)
    if person.id not in group.member_ids:
        name = f"put {person.username} into the group {group.name}"
        work.change(name, partial(identity.add_member, group.id, person.id), None)
    return ok(invitation=_invite(work, person, identity))


def _created(work: Work, owner: Owner, identity: Authentik) -> Person:
    try:
        return identity.create_person(owner.email, owner.name, owner.email, _owner_attributes(work, invited=False))
    except (Unavailable, Refused) as fault:
        if isinstance(fault, Refused) and fault.reason != "taken":
            raise
        person = identity.find_person(owner.email)
        if person is not None:
            return person
        if isinstance(fault, Refused):
            # the same complaint, of a user name that is too long
            raise Refused("invalid", "Authentik takes no user of the owner's address.") from None
        raise Unavailable("upstream_error", "The account was not created.") from fault


def _invite(work: Work, person: Person, identity: Authentik) -> str:
    """How the owner hears of it. Sent once: the account itself remembers."""
    ours = person.attributes.get(OUR_KEY)
    if isinstance(ours, dict) and ours.get("invited"):
        return "sent before"
    stage = work.email_stage
    if stage is None:
        return "not sent: AUTHENTIK_EMAIL_STAGE is not set; send the owner a recovery link from Authentik"
    try:
        work.change(f"send {person.username} an invitation", partial(identity.invite_person, person.id, stage), None)
    except Refused as refusal:
        if refusal.reason != "not_supported":
            raise
        return "not sent: the brand in Authentik has no recovery flow, or the stage is not there"
    if not work.is_plan:
        identity.mark_person(person.id, {**person.attributes, **_owner_attributes(work, invited=True)})
    return "sent"


def _owner_attributes(work: Work, *, invited: bool) -> dict[str, Any]:
    return {OUR_KEY: {"ownerOf": work.tenant.id, "managedBy": "dezky-platform-api", "invited": invited}}


# -- members


def _held(group: Group) -> frozenset[int]:
    ours = group.attributes.get(OUR_KEY)
    noted = ours.get(HELD) if isinstance(ours, dict) else None
    return frozenset(one for one in noted if isinstance(one, int)) if isinstance(noted, list) else frozenset()


def _write_held(group: Group, held: frozenset[int], identity: Authentik) -> None:
    ours = {key: value for key, value in dict(group.attributes.get(OUR_KEY) or {}).items() if key != HELD}
    noted = {HELD: sorted(held)} if held else {}
    identity.update_group(group.id, attributes={**group.attributes, OUR_KEY: ours | noted})


def _out(group: Group, member: int, identity: Authentik) -> None:
    try:
        identity.remove_member(group.id, member)
    except Missing:
        _require_gone(member, identity)  # and its membership with it


def _in(group: Group, member: int, identity: Authentik) -> None:
    try:
        identity.add_member(group.id, member)
    except Missing:
        _require_gone(member, identity)


def _require_gone(member: int, identity: Authentik) -> None:
    """The account is gone: that it is "not found" is what Authentik also says to whoever may not see it.

    Raises Refused("missing_permission"), Unavailable.
    """
    try:
        identity.get_person(member)
    except Missing:
        return
    raise Unavailable("unexpected_answer", f"User {member} is there, and was said not to be.")
