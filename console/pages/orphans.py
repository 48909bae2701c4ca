"""Pages of orphans: objects in integrations with our ownership marker that belong to no living tenant."""

from __future__ import annotations

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response

from console.web.api import act, api, get, key
from console.web.forms import CONFIRMATION, Field, Form
from console.web.listing import listing
from console.web.words import product

pages = Blueprint("orphans", __name__, url_prefix="/orphans")


@pages.get("/")
def index() -> str:
    scans = get("/orphans/looks")
    integrations = [(scan["integration"], product(scan["integration"])) for scan in scans]
    found = listing("/orphans", "integration", "status")
    return render_template("orphans/index.html", listing=found, scans=scans, integrations=integrations)


@pages.post("/scan")
def scan() -> Response:
    return act(lambda: api().post("/orphans/look", key=key()), "Every integration is scanned now.", url_for(".index"))


@pages.route("/<orphan_id>/remove", methods=["GET", "POST"])
def remove(orphan_id: str) -> Response | tuple[str, int]:
    orphan, form = get(f"/orphans/{orphan_id}"), Form(Field(CONFIRMATION))
    if form.confirm(orphan["name"]):
        return act(lambda: api().delete(f"/orphans/{orphan_id}"), "Its removal has begun.", url_for(".index"))
    return render_template("orphans/remove.html", orphan=orphan, form=form), form.status
