"""Rights to operate the platform: administrators may read and change its state, support may read it."""

from __future__ import annotations

from shared.rights.policy import Actor


def may_see_switches(actor: Actor) -> bool:
    """Return whether the actor may see circuit breakers, pauses, the purge quota and the observe-only mode."""
    return actor.reads_everything


def may_pause(actor: Actor) -> bool:
    """Return whether the actor may pause and resume the steps of an integration, of a tenant, or all."""
    return actor.is_platform_admin


def may_observe_only(actor: Actor) -> bool:
    """Return whether the actor may enter and leave observe-only mode."""
    return actor.is_platform_admin


def may_see_orphans(actor: Actor) -> bool:
    """Return whether the actor may see the orphans on record and the scans for them."""
    return actor.reads_everything


def may_scan_for_orphans(actor: Actor) -> bool:
    """Return whether the actor may request an orphan scan."""
    return actor.is_platform_admin


def may_remove_orphan(actor: Actor) -> bool:
    """Return whether the actor may remove an orphan permanently."""
    return actor.is_platform_admin
