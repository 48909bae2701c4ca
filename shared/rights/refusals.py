"""Refuse an action in a tenant with its cause: a suspension, if the actor could do it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.core.errors import Forbidden
from shared.rights.policy import Actor
from shared.tenants.model import Status, Tenant

SUSPENDED = "The tenant is suspended; its own people may only read."


def require_in_tenant(actor: Actor, tenant: Tenant, rule: Callable[[Actor, Tenant], bool], sentence: str) -> None:
    """Raise Forbidden unless the rule allows it. Say the sentence, unless only the suspension prevents it."""
    require_in_all([tenant], lambda tenants: all(rule(actor, one) for one in tenants), sentence)


def require_in_all(tenants: Sequence[Tenant], rule: Callable[[Sequence[Tenant]], bool], sentence: str) -> None:
    """Raise Forbidden unless the rule allows it in these tenants. See `require_in_tenant`."""
    if not rule(tenants):
        raise Forbidden(SUSPENDED if rule([_resumed(one) for one in tenants]) else sentence)


def _resumed(tenant: Tenant) -> Tenant:
    return replace(tenant, status=Status.ACTIVE) if tenant.status is Status.SUSPENDED else tenant
