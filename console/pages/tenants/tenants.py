"""Pages of the list of tenants and of the form for a new one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from client.errors import ApiError
from console.pages.tenants.catalogue import partners, plans
from console.web.api import api, get, key, person
from console.web.forms import Field, Form
from console.web.listing import listing
from console.web.words import STEP_NAMES

pages = Blueprint("tenants", __name__, url_prefix="/tenants")

FILTERS = ("q", "status", "plan", "partner", *(f"step.{name}" for name in STEP_NAMES), "drift", "paused", "sort")
CHECKED_FIELDS = ("slug", "domain", "email")
FIELDS = (
    Field("slug"),
    Field("name"),
    Field("plan"),
    Field("domains", "lines"),
    Field("owner/name"),
    Field("owner/email"),
    Field("partnerId"),
)


@pages.get("/")
def index() -> str:
    return render_template(
        "tenants/index.html", listing=listing("/tenants", *FILTERS), plans=plans(), partners=partners()
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> Response | tuple[str, int]:
    if not person().may_create_tenants:
        abort(403)
    form = Form(*FIELDS)
    made = form.submit(lambda: api().post("/tenants", form.body(), key=key()))
    if made is not None:
        return redirect(url_for("tenant.show", slug=made.data["slug"]), 303)
    return render_template("tenants/new.html", form=form, plans=plans(), partners=partners()), form.status


@pages.get("/check")
def check() -> dict[str, Any]:
    """Check a slug, domain or address while the form is being filled in."""
    asked = {name: request.args[name].strip() for name in CHECKED_FIELDS if request.args.get(name, "").strip()}
    try:
        found = get("/tenants/check", **asked)
    except ApiError as problem:
        if not problem.errors:
            raise
        return {"state": "bad", "text": problem.errors[0].detail}
    return {"state": "ok", "text": "Good."} if all(found.values()) else {"state": "bad", "text": "Taken."}
