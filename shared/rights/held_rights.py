"""The rights that somebody had at one time, kept as texts, so that those of a later day can be compared with them."""

from __future__ import annotations

from collections.abc import Collection

from shared.accounts.user import Role
from shared.rights.policy import Actor

#: all rights at once
PLATFORM = "platform"


def held_rights(actor: Actor) -> frozenset[str]:
    """The rights of an actor as texts, to be kept and compared with those of a later day: see `has_lost`."""
    if actor.is_platform_admin:
        return frozenset({PLATFORM})
    partner = {f"partner:{actor.user.partner_id}"} if actor.is_partner_admin else set()
    roles = {
        f"tenant:{tenant_id}:{role}"
        for tenant_id, held in actor.user.roles.items()
        for role in Role
        if role.rank <= held.rank
    }
    return frozenset(partner | roles)


def has_lost(actor: Actor, kept: Collection[str]) -> bool:
    """Whether the actor has not all of the rights any more that were kept."""
    return not actor.is_platform_admin and not held_rights(actor).issuperset(kept)
