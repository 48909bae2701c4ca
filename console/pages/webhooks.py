"""Pages of webhooks and their deliveries."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.web.api import act, api, get, key
from console.web.forms import Field, Form
from console.web.listing import listing

pages = Blueprint("webhooks", __name__, url_prefix="/webhooks")

TEST_SECONDS = 5
#: tenants that the form offers at most
MAX_TENANTS = 2000
FIELDS = (Field("url"), Field("actions", "lines"))


@pages.get("/")
def index() -> str:
    return render_template("webhooks/index.html", listing=listing("/webhooks", "tenant"))


@pages.route("/new", methods=["GET", "POST"])
def new() -> tuple[str, int]:
    form = Form(*FIELDS, Field("tenantId"), record={"actions": ["*"]})
    made = form.submit(lambda: api().post("/webhooks", form.body(), key=key()))
    if made is not None:
        # only this response has the secret: it is shown here and stored nowhere
        return render_template("webhooks/secret.html", webhook=made.data), 201
    tenants = list(api().records("/tenants", {}, MAX_TENANTS))
    return render_template("webhooks/new.html", form=form, tenants=tenants), form.status


@pages.get("/<webhook_id>")
def show(webhook_id: str) -> str:
    deliveries = listing(f"/webhooks/{webhook_id}/deliveries", "status")
    return render_template("webhooks/show.html", webhook=get(f"/webhooks/{webhook_id}"), listing=deliveries)


@pages.route("/<webhook_id>/edit", methods=["GET", "POST"])
def edit(webhook_id: str) -> Response | tuple[str, int]:
    found = api().get(f"/webhooks/{webhook_id}")
    form = Form(*FIELDS, record=found.data)
    if form.submit(lambda: api().patch(f"/webhooks/{webhook_id}", form.changes(), found.etag)):
        flash("Saved.", "success")
        return redirect(url_for(".show", webhook_id=webhook_id), 303)
    return render_template("webhooks/edit.html", form=form, webhook=found.data), form.status


@pages.post("/<webhook_id>/switch/<state>")
def switch(webhook_id: str, state: str) -> Response:
    change = {"enabled": state == "on"}
    return _act(webhook_id, lambda: api().patch(f"/webhooks/{webhook_id}", change), f"Switched {state}.")


@pages.post("/<webhook_id>/test")
def test(webhook_id: str) -> Response:
    path, extra_seconds = f"/webhooks/{webhook_id}/test", TEST_SECONDS
    return _act(
        webhook_id,
        lambda: api().post(path, params={"wait": extra_seconds}, key=key(), extra_seconds=extra_seconds),
        "A ping was sent; the newest delivery below shows how it went.",
    )


@pages.post("/<webhook_id>/rotate")
def rotate(webhook_id: str) -> str:
    return render_template(
        "webhooks/secret.html", webhook=api().post(f"/webhooks/{webhook_id}/rotate-secret", key=key()).data
    )


@pages.post("/<webhook_id>/deliveries/<delivery_id>/replay")
def replay(webhook_id: str, delivery_id: str) -> Response:
    path = f"/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"
    return _act(webhook_id, lambda: api().post(path, key=key()), "It is sent again.")


@pages.post("/<webhook_id>/remove")
def remove(webhook_id: str) -> Response:
    return act(lambda: api().delete(f"/webhooks/{webhook_id}"), "Removed.", url_for(".index"))


def _act(webhook_id: str, request_it: Any, success: str) -> Response:
    return act(request_it, success, url_for(".show", webhook_id=webhook_id))
