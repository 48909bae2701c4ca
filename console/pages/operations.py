"""Pages of operations: the list by state, and one operation with its steps."""

from __future__ import annotations

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response

from console.web.api import act, api, get, key, optional, person
from console.web.listing import listing
from console.web.words import STEP_NAMES

pages = Blueprint("operations", __name__, url_prefix="/operations")

#: filters that only links set, such as those of the overview; the page shows them as text
LINKED = (*(f"step.{name}" for name in STEP_NAMES), "reason")
FILTERS = ("status", "action", "problem", "tenant", *LINKED)


@pages.get("/")
def index() -> str:
    return render_template("operations/index.html", listing=listing("/operations", *FILTERS), linked=LINKED)


@pages.get("/<operation_id>")
def show(operation_id: str) -> str:
    operation = get(f"/operations/{operation_id}")
    tenant = optional(lambda: get(f"/tenants/{operation['tenant']}"))
    may_control = tenant is not None and person().may_control(tenant, operation)
    return render_template("operations/show.html", operation=operation, tenant=tenant, may_control=may_control)


@pages.post("/<operation_id>/cancel")
def cancel(operation_id: str) -> Response:
    return act(
        lambda: api().post(f"/operations/{operation_id}/cancel", key=key()),
        "Cancelled. Steps that have begun come to their end.",
        url_for(".show", operation_id=operation_id),
    )


@pages.post("/<operation_id>/steps/<step>/retry")
def retry(operation_id: str, step: str) -> Response:
    return act(
        lambda: api().post(f"/operations/{operation_id}/steps/{step}/retry", key=key()),
        "The step runs again.",
        url_for(".show", operation_id=operation_id),
    )
