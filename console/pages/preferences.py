"""Preferences kept in this browser, such as the theme."""

from __future__ import annotations

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from console.auth.session import came_from
from console.web.navigation import THEMES

pages = Blueprint("preferences", __name__)
YEAR = 365 * 24 * 3600


@pages.post("/preferences")
def choose() -> Response:
    """Store the colour theme in a cookie and return to the page."""
    response = redirect(came_from(), 303)
    theme = request.form.get("theme", "auto")
    if theme in THEMES:
        secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
        response.set_cookie("theme", theme, max_age=YEAR, secure=secure, httponly=True, samesite="Lax")
    return response
