"""Pages of partners (resellers) and their tenants."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.web.api import act, api, get, key
from console.web.forms import Field, Form
from console.web.listing import listing

pages = Blueprint("partners", __name__, url_prefix="/partners")


@pages.get("/")
def index() -> str:
    return render_template("partners/index.html", listing=listing("/partners"))


@pages.route("/new", methods=["GET", "POST"])
def new() -> Response | tuple[str, int]:
    form = Form(Field("slug"), Field("name"))
    made = form.submit(lambda: api().post("/partners", form.body(), key=key()))
    if made is not None:
        return redirect(url_for(".show", partner_id=made.data["_id"]), 303)
    return render_template("partners/new.html", form=form), form.status


@pages.route("/<partner_id>", methods=["GET", "POST"])
def show(partner_id: str) -> Response | tuple[str, int]:
    found = api().get(f"/partners/{partner_id}")
    partner = found.data
    form = Form(Field("name"), record=partner)
    if form.submit(lambda: api().patch(f"/partners/{partner_id}", form.changes(), found.etag)):
        flash("Saved.", "success")
        return redirect(url_for(".show", partner_id=partner_id), 303)
    tenants = get("/tenants", partner=partner_id, limit=10)
    users = get("/users", partner=partner_id, limit=10)
    return render_template("partners/show.html", partner=partner, form=form, tenants=tenants, users=users), form.status


@pages.post("/<partner_id>/remove")
def remove(partner_id: str) -> Response:
    return act(lambda: api().delete(f"/partners/{partner_id}"), "Removed.", url_for(".index"))
