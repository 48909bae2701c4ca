"""Snapshots of an actor's rights, to detect later that the actor has lost some of them."""

from __future__ import annotations

from collections.abc import Collection

from shared.accounts.user import PLATFORM, Role
from shared.rights.policy import Actor


def rights_snapshot(actor: Actor) -> frozenset[str]:
    """Return the actor's rights as texts that can be stored and compared later; see `has_lost_rights`."""
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


def has_lost_rights(actor: Actor, snapshot: Collection[str]) -> bool:
    """Return whether the actor lacks any right of an earlier snapshot."""
    return not actor.is_platform_admin and not rights_snapshot(actor).issuperset(snapshot)
