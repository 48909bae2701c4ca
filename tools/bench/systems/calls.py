"""The calls to the products that every baseline makes: the platform's own steps, and a tenant for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.tenants.model import Status, Tenant
from worker.integrations.authentik.group import ensure_group
from worker.integrations.ocis.space import ensure_files
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.step_context import StepFunction

#: in the order in which the platform publishes them
STEPS: Mapping[str, StepFunction] = {"stalwart": ensure_mail, "ocis": ensure_files, "authentik": ensure_group}


def tenant_of(row: dict[str, Any]) -> Tenant:
    """Return a pending tenant from a baseline's record."""
    return Tenant(
        id=str(row["_id"]),
        slug=row["slug"],
        name=row["name"],
        status=Status.PENDING,
        plan="starter",
        domains=tuple(row["domains"]),
        billing_info=None,
        partner_id=None,
        provisioning_status={},
        provisioning_errors={},
        remote={},
        operation_id=None,
        generation=1,
        version=1,
        created_at=row["createdAt"],
        updated_at=row["createdAt"],
    )
