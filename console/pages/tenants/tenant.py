"""Page of one tenant: state, people, events, and actions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.pages.tenants.catalogue import partners, plans, quotas_of
from console.web.actors import names_of
from console.web.api import act, api, get, key, person
from console.web.forms import Field, Form
from console.web.listing import listing

pages = Blueprint("tenant", __name__, url_prefix="/tenants/<slug>")

ADDRESS = ("line1", "line2", "postalCode", "city", "country")
BILLING = ("company", "vatId", "email", *(f"address/{name}" for name in ADDRESS))
RUNNING_REFRESH_MS = 1000
IDLE_REFRESH_MS = 15000
#: an export is gathered while the person waits
EXPORT_SECONDS = 22


@pages.get("")
def show(slug: str) -> str:
    tenant = get(f"/tenants/{slug}")
    operation = tenant.get("operation")
    refresh_ms = RUNNING_REFRESH_MS if operation and operation["status"] == "running" else IDLE_REFRESH_MS
    return _page(
        "tenant/show.html",
        tenant,
        operation=operation,
        refresh_ms=refresh_ms,
        quotas=quotas_of(tenant["plan"]),
        subscriptions=get("/subscriptions", tenant=slug, limit=3),
    )


@pages.get("/people")
def people(slug: str) -> str:
    return _page("tenant/people.html", get(f"/tenants/{slug}"), listing=listing("/users", tenant=slug))


@pages.post("/invitation")
def invite(slug: str) -> Response:
    """Send the owner another invitation."""
    path = f"/tenants/{slug}/owner/invitation"
    return act(lambda: api().post(path, key=key()), "The invitation is being sent.", url_for(".show", slug=slug))


@pages.get("/activity")
def activity(slug: str) -> str:
    operations = get(f"/tenants/{slug}/operations", limit=10)
    events = listing("/events", tenant=slug)
    return _page(
        "tenant/activity.html",
        get(f"/tenants/{slug}"),
        operations=operations,
        listing=events,
        names=names_of([*events.items, *({"actor": one.get("requestedBy")} for one in operations)]),
    )


@pages.route("/edit", methods=["GET", "POST"])
def edit(slug: str) -> Response | tuple[str, int]:
    found = api().get(f"/tenants/{slug}")
    tenant = found.data
    if not person().may_change(tenant):
        abort(403)
    staff = [Field("plan"), Field("partnerId")] if person().is_operator else []
    form = Form(Field("name"), *staff, *(Field(f"billingInfo/{name}") for name in BILLING), record=tenant)
    if form.submit(lambda: api().patch(f"/tenants/{slug}", form.changes(), found.etag)):
        flash("Saved.", "success")
        return redirect(url_for(".show", slug=slug), 303)
    page = _page("tenant/edit.html", tenant, form=form, plans=plans(), partners=partners())
    return page, form.status


@pages.get("/export")
def export(slug: str) -> Response:
    """Download everything that is stored about the tenant."""
    response = jsonify(api().get(f"/tenants/{slug}/export", extra_seconds=EXPORT_SECONDS).data)
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}.json"'
    return response


@pages.get("/receipt")
def receipt(slug: str) -> str:
    return _page("tenant/receipt.html", get(f"/tenants/{slug}"), receipt=get(f"/tenants/{slug}/receipt"))


def _page(template: str, tenant: dict[str, Any], **more: Any) -> str:
    me = person()
    return render_template(template, tenant=tenant, may_change=me.may_change(tenant), runs=me.runs(tenant), **more)
