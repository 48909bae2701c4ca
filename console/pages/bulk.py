"""Pages of bulk operations: preview them by a dry run, then start them and follow their progress."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from client.errors import ApiError
from console.web.api import act, api, get, key, person, sentence

pages = Blueprint("bulk", __name__, url_prefix="/bulk")

CRITERIA = ("problem", "integration", "reason", "drift")


@pages.post("/preview")
def preview() -> Response:
    """Request a dry run, which changes nothing."""
    body = {"action": request.form.get("action"), "selector": _selector()}
    try:
        found = api().post("/bulk-operations", body, key=key()).data
    except ApiError as problem:
        if problem.status not in (400, 403, 409, 422):
            raise
        flash(sentence(problem), "danger")
        return redirect(url_for("overview.show"), 303)
    return redirect(url_for(".show", bulk_id=found["id"]), 303)


@pages.get("/<bulk_id>")
def show(bulk_id: str) -> str:
    bulk = get(f"/bulk-operations/{bulk_id}")
    may_stop = person().is_operator or bulk["requestedBy"] == person().id
    return render_template("operations/bulk.html", bulk=bulk, may_stop=may_stop)


@pages.post("/<bulk_id>/start")
def start(bulk_id: str) -> Response:
    """Start the bulk operation on the tenants that the dry run found."""
    body = {"start": bulk_id}
    return act(lambda: api().post("/bulk-operations", body, key=key()), "Begun.", url_for(".show", bulk_id=bulk_id))


@pages.post("/<bulk_id>/stop")
def stop(bulk_id: str) -> Response:
    """Stop the bulk operation for good."""
    return act(
        lambda: api().post(f"/bulk-operations/{bulk_id}/stop", key=key()), "Stopped.", url_for(".show", bulk_id=bulk_id)
    )


def _selector() -> dict[str, Any]:
    chosen = request.form.getlist("slug")
    criteria = {name: request.form[name] for name in CRITERIA if request.form.get(name)}
    return {**({"tenants": chosen} if chosen else {}), **criteria}
