"""The API, as views use it: with the signed-in person's token, its refusals told where they belong."""

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
    """The API with the token of the person at the browser."""
    connection: Connection = current_app.extensions[API]
    return connection


def get(path: str, **params: Any) -> Any:
    """Read a record or a list."""
    return api().get(path, params).data


def person() -> Person:
    """The person at the browser."""
    people: People = current_app.extensions[PEOPLE]
    found = people.current()
    if found is None:
        raise LookupError("a page for nobody in particular asks who is signed in")
    return found


def optional(read: Callable[[], T], *codes: int) -> T | None:
    """The answer, or None where the API refuses with one of these statuses: for parts a page can do without."""
    try:
        return read()
    except ApiError as problem:
        if problem.status not in (codes or (403, 404)):
            raise
        return None


def act(request_it: Callable[[], Any], success: str, back: str) -> Response:
    """Do what a button asks for, and go back to where it stands with a sentence of how it went."""
    try:
        request_it()
    except ApiError as problem:
        if problem.status not in (400, 403, 404, 409, 412, 422, 429):
            raise
        flash(sentence(problem), "danger")
    else:
        flash(success, "success")
    return redirect(back, 303)


def sentence(problem: ApiError) -> str:
    """A refusal in words, with the faults that have no field on the page."""
    faults = "; ".join(f"{fault.pointer.lstrip('/')}: {fault.detail}" for fault in problem.errors)
    wait = f" Try again in {problem.retry_after:.0f} s." if problem.retry_after else ""
    return f"{problem.detail}{f' ({faults})' if faults else ''}{wait}"


def key() -> str | None:
    """The form's Idempotency-Key: sent twice, it happens once."""
    return request.form.get("key") or None
