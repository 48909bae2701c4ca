"""Who may see and steer the machine itself: nobody but the platform's own administrators."""

from __future__ import annotations

from shared.provisioning.policy import Actor


def may_see_switches(actor: Actor) -> bool:
    """How each integration is for the platform: nobody's business but its operators'."""
    return actor.is_platform_admin


def may_pause(actor: Actor) -> bool:
    """Stop and resume the steps of an integration, a tenant, or all."""
    return actor.is_platform_admin


def may_observe_only(actor: Actor) -> bool:
    """Have nothing changed outside, and end that."""
    return actor.is_platform_admin


def may_see_orphans(actor: Actor) -> bool:
    """What carries our mark outside and belongs to no living tenant; have it looked for."""
    return actor.is_platform_admin


def may_remove_orphan(actor: Actor) -> bool:
    """Have it removed for good."""
    return actor.is_platform_admin
