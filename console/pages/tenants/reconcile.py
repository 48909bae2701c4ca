"""Reconcile a tenant, after a dry run that shows the changes."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from client.errors import ApiError
from console.web.api import act, api, get, key, person, sentence

pages = Blueprint("reconcile", __name__, url_prefix="/tenants/<slug>/reconcile")

PLAN_SECONDS = 2
RUNNING_REFRESH_MS = 1000


@pages.post("")
def plan(slug: str) -> Response:
    """Start a dry run of the reconcile."""
    params = {"mode": "plan", "wait": PLAN_SECONDS}
    try:
        found = api().post(f"/tenants/{slug}/reconcile", params=params, key=key(), extra_seconds=PLAN_SECONDS)
    except ApiError as problem:
        if problem.status not in (403, 409):
            raise
        flash(sentence(problem), "danger")
        return redirect(url_for("tenant.show", slug=slug), 303)
    return redirect(url_for(".show", slug=slug, plan_id=found.operation_id), 303)


@pages.get("/<plan_id>")
def show(slug: str, plan_id: str) -> str:
    operation = get(f"/operations/{plan_id}")
    pace = RUNNING_REFRESH_MS if operation["status"] == "running" else None
    return render_template(
        "tenant/plan.html",
        tenant=get(f"/tenants/{slug}"),
        operation=operation,
        pace=pace,
        may_allow=person().is_operator,
    )


@pages.post("/apply")
def apply(slug: str) -> Response:
    params = {"allow_removals": "true"} if request.form.get("allow_removals") else {}
    return act(
        lambda: api().post(f"/tenants/{slug}/reconcile", params=params, key=key()),
        "The reconcile has begun.",
        url_for("tenant.show", slug=slug),
    )
