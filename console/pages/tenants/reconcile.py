"""Reconcile a tenant, after a dry run that shows the changes."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from client.errors import ApiError
from console.web.api import act, api, get, key, person, sentence

pages = Blueprint("reconcile", __name__, url_prefix="/tenants/<slug>/reconcile")

DRY_RUN_SECONDS = 2
RUNNING_REFRESH_MS = 1000


@pages.post("")
def dry_run(slug: str) -> Response:
    """Start a dry run of the reconcile."""
    params = {"mode": "plan", "wait": DRY_RUN_SECONDS}
    try:
        found = api().post(f"/tenants/{slug}/reconcile", params=params, key=key(), extra_seconds=DRY_RUN_SECONDS)
    except ApiError as problem:
        if problem.status not in (403, 409):
            raise
        flash(sentence(problem), "danger")
        return redirect(url_for("tenant.show", slug=slug), 303)
    return redirect(url_for(".show", slug=slug, operation_id=found.operation_id), 303)


@pages.get("/<operation_id>")
def show(slug: str, operation_id: str) -> str:
    operation = get(f"/operations/{operation_id}")
    refresh_ms = RUNNING_REFRESH_MS if operation["status"] == "running" else None
    return render_template(
        "tenant/dry_run.html",
        tenant=get(f"/tenants/{slug}"),
        operation=operation,
        refresh_ms=refresh_ms,
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
