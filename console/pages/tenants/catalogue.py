"""Read what selects offer from the API: plans and partners."""

from __future__ import annotations

from typing import Any

from flask import g

from console.web.api import api, get, person

#: partners that a select offers at most
MAX_PARTNERS = 2000


def plans() -> list[dict[str, Any]]:
    """Return every plan with its quotas."""
    if "plans" not in g:
        g.plans = get("/plans")
    found: list[dict[str, Any]] = g.plans
    return found


def quotas_of(name: str) -> dict[str, Any]:
    """Return a plan's quotas, empty if it is no longer in the catalogue."""
    return next((plan for plan in plans() if plan["name"] == name), {})


def partners() -> list[dict[str, Any]]:
    """Return every partner; none for people who choose no partner."""
    return list(api().records("/partners", {}, MAX_PARTNERS)) if person().sees_platform else []
