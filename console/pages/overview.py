"""The overview page: current problems, and the results of the last 24 hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.web.api import get, person
from console.web.charts import Chart, layered, stacked

pages = Blueprint("overview", __name__)

#: the colour of each outcome
OUTCOMES = {"succeeded": "ok", "failed": "bad", "cancelled": "quiet"}
DAY = 24
#: kinds of problems that a bulk retry can solve
REPAIRABLE = ("failed", "drifted")
#: kinds of problems by which the list of operations can be filtered
LISTED = ("failed", "overdue", "retrying", "deferred", "paused")


@pages.get("/")
def show() -> str | Response:
    if not person().is_staff:
        return _own_tenants()
    hours = _by_hour(get("/operations/summary", hours=DAY)["hours"])
    charts = (_outcomes(hours), _time_to_active(hours))
    return render_template("overview.html", status=get("/status"), charts=charts, repairable=REPAIRABLE, listed=LISTED)


def _own_tenants() -> str | Response:
    tenants = get("/tenants", limit=50)
    if len(tenants) == 1:
        return redirect(url_for("tenant.show", slug=tenants[0]["slug"]), 303)
    return render_template("own_tenants.html", tenants=tenants)


def _by_hour(hours: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """List every hour of the last day; the API omits those in which nothing ended."""
    known = {datetime.fromisoformat(hour["begins"]): hour for hour in hours}
    latest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    times = [latest - timedelta(hours=back) for back in range(DAY - 1, -1, -1)]
    return [(time.strftime("%H:00"), known.get(time, {})) for time in times]


def _outcomes(hours: list[tuple[str, dict[str, Any]]]) -> Chart:
    columns = []
    for label, hour in hours:
        counts: dict[str, float] = {}
        for outcome in hour.get("outcomes", ()):
            colour = OUTCOMES.get(outcome["status"], "quiet")
            counts[colour] = counts.get(colour, 0) + outcome["count"]
        columns.append((label, counts))
    return stacked("Operations that ended", columns, [(colour, word) for word, colour in OUTCOMES.items()])


def _time_to_active(hours: list[tuple[str, dict[str, Any]]]) -> Chart:
    """Chart the time to active: p95, and p50 before it."""
    columns = []
    for label, hour in hours:
        half, most = hour.get("activeSecondsP50") or 0, hour.get("activeSecondsP95") or 0
        columns.append((label, {"busy": round(half, 1), "pale": round(most, 1)}))
    return layered("Time until new tenants were active", columns, (("busy", "p50"), ("pale", "p95")), " s")
