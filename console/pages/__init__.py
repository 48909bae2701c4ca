"""The pages, one blueprint for each group."""

from __future__ import annotations

from flask import Blueprint

from console.pages import (
    bulk,
    events,
    integrations,
    operations,
    orphans,
    overview,
    partners,
    preferences,
    users,
    webhooks,
)
from console.pages.tenants import domains, lifecycle, reconcile, tenant, tenants


def all_pages() -> list[Blueprint]:
    """Return the blueprints of all pages that require a sign-in."""
    return [
        module.pages
        for module in (
            overview,
            tenants,
            tenant,
            domains,
            lifecycle,
            reconcile,
            operations,
            bulk,
            integrations,
            webhooks,
            partners,
            users,
            orphans,
            events,
            preferences,
        )
    ]
