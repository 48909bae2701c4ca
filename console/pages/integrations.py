"""Pages of integrations: state, pauses, observe-only mode, and the quota of automatic purges."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.web.api import act, api, get, key, optional
from console.web.forms import Field, Form

pages = Blueprint("integrations", __name__, url_prefix="/integrations")


@pages.get("/")
def index() -> str:
    return render_template(
        "integrations.html",
        integrations=get("/integrations"),
        observing=optional(lambda: get("/observe-only")),
        purges=optional(lambda: get("/purges")),
        form=Form(Field("reason")),
    )


@pages.post("/<name>/pause")
def pause(name: str) -> Response:
    body = Form(Field("reason")).body()
    return _act(lambda: api().post(f"/integrations/{name}/pause", body, key=key()), "Paused.")


@pages.post("/<name>/resume")
def resume(name: str) -> Response:
    return _act(lambda: api().post(f"/integrations/{name}/resume", key=key()), "Resumed.")


@pages.post("/observe-only")
def observe() -> Response:
    body = Form(Field("reason")).body()
    return _act(lambda: api().post("/observe-only", body, key=key()), "Nothing is changed outside from now on.")


@pages.post("/observe-only/end")
def end_observing() -> Response:
    return _act(lambda: api().delete("/observe-only"), "Changes go on.")


@pages.post("/purges")
def allow_purges() -> Response:
    body = Form(Field("count", "number")).body()
    return _act(lambda: api().post("/purges/allow", body, key=key()), "More purges may begin.")


@pages.post("/checks")
def diagnose() -> Response:
    """Start a diagnostics run of the platform."""
    run = api().post("/diagnostics", key=key()).data
    return redirect(url_for(".checks", run_id=run["id"]), 303)


@pages.get("/checks/<run_id>")
def checks(run_id: str) -> str:
    return render_template("diagnostics.html", run=get(f"/diagnostics/{run_id}"))


def _act(request_it, success: str) -> Response:  # type: ignore[no-untyped-def]
    return act(request_it, success, url_for(".index", _anchor=request.form.get("anchor") or None))
