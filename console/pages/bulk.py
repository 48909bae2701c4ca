"""Bulk operations: retry, reconcile or cancel all that a selector names; a dry run first, then paced."""

from __future__ import annotations

from flask import Blueprint

pages = Blueprint("bulk", __name__, url_prefix="/bulk")


@pages.post("/preview")
def preview() -> str:
    return "soon"
