"""Call the API with the signed-in person's token, and show its errors on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, flash, redirect, request
from werkzeug.wrappers import Response

from client.connection import Connection
from client.errors import ApiError
from console.auth.people import People
from console.auth.rights import Person

T = TypeVar("T")
API, PEOPLE = "console.api", "console.people"


def api() -> Connection:
    """Return the API's client, which uses the signed-in person's token."""
    connection: Connection = current_app.extensions[API]
    return connection


def get(path: str, **params: Any) -> Any:
    """Read a record or a list."""
    return api().get(path, params).data


def person() -> Person:
    """Return the signed-in person."""
    people: People = current_app.extensions[PEOPLE]
    found = people.current()
    if found is None:
        raise LookupError("a public page needs the signed-in person")
    return found


def optional(read: Callable[[], T], *codes: int) -> T | None:
    """Read a part that a page can do without: None if the API refuses with one of these statuses."""
    try:
        return read()
    except ApiError as problem:
        if problem.status not in (codes or (403, 404)):
            raise
        return None


def act(request_it: Callable[[], Any], success: str, back: str) -> Response:
    """Send a button's request, then redirect back with a message about its outcome."""
    try:
        request_it()
    except ApiError as problem:
        if problem.status not in (400, 403, 404, 409, 412, 422, 429):
            raise
        # the first attempt of this request took effect, and its response was lost
        is_done = problem.code == "already_done"
        flash(*((success, "success") if is_done else (sentence(problem), "danger")))
    else:
        flash(success, "success")
    return redirect(back, 303)


def sentence(problem: ApiError) -> str:
    """Describe an API error in words, its field errors included."""
    faults = "; ".join(f"{fault.pointer.lstrip('/')}: {fault.detail}" for fault in problem.errors)
    wait = f" Try again in {problem.retry_after:.0f} s." if problem.retry_after else ""
    return f"{problem.detail}{f' ({faults})' if faults else ''}{wait}"


def key() -> str | None:
    """Return the form's Idempotency-Key: a form that is sent twice takes effect once."""
    return request.form.get("key") or None
