"""Pages of users and their rights."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.pages.tenants.catalogue import partners
from console.web.api import act, api, key, person
from console.web.forms import Field, Form
from console.web.listing import listing

pages = Blueprint("users", __name__, url_prefix="/users")

ROLES = (("member", "Member"), ("admin", "Admin"), ("owner", "Owner"))


@pages.get("/")
def index() -> str:
    return render_template("users/index.html", listing=listing("/users", "q", "tenant", "partner"))


@pages.route("/new", methods=["GET", "POST"])
def new() -> Response | tuple[str, int]:
    if not person().is_operator:
        abort(403)
    form = Form(Field("authentikSubjectId"), Field("email"), Field("name"), Field("role"))
    made = form.submit(lambda: api().post("/users", form.body(), key=key()))
    if made is not None:
        return redirect(url_for(".show", user_id=made.data["_id"]), 303)
    return render_template("users/new.html", form=form, roles=ROLES), form.status


@pages.route("/<user_id>", methods=["GET", "POST"])
def show(user_id: str) -> Response | tuple[str, int]:
    found = api().get(f"/users/{user_id}")
    user, roles = found.data, person().roles_for(found.data)
    rights = [Field("partnerId"), Field("platformAdmin", "flag")] if person().is_operator else []
    form = Form(Field("name"), Field("email"), Field("role"), *rights, record=user)
    if form.is_sent and not roles:
        abort(403)
    if form.submit(lambda: api().patch(f"/users/{user_id}", form.changes(), found.etag)):
        flash("Saved.", "success")
        return redirect(url_for(".show", user_id=user_id), 303)
    offered = [(role, word) for role, word in ROLES if role in roles]
    return render_template("users/show.html", user=user, form=form, roles=offered, partners=partners()), form.status


@pages.post("/<user_id>/remove")
def remove(user_id: str) -> Response:
    return act(lambda: api().delete(f"/users/{user_id}"), "The record is removed.", url_for(".index"))
