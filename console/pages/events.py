"""Page of the event log."""

from __future__ import annotations

from flask import Blueprint, render_template

from console.web.actors import names_of
from console.web.listing import listing

pages = Blueprint("events", __name__, url_prefix="/events")

FILTERS = ("tenant", "action")


@pages.get("/")
def index() -> str:
    found = listing("/events", *FILTERS)
    return render_template("events.html", listing=found, names=names_of(found.items))
