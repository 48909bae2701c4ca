"""Forms whose field names are JSON pointers, so that each error of the API is shown beside its field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from client.errors import ApiError
from console.web.api import sentence

#: statuses of errors that a person can correct in the form
CORRECTABLE = (400, 403, 409, 412, 422, 429)
#: the hidden field with the values that a form was opened with, and the field of a typed confirmation
OPENED, CONFIRMATION = "opened", "confirmation"


@dataclass(frozen=True)
class Field:
    """An input. `name`: its JSON pointer without the first slash. `kind`: text, lines (a list), flag or number."""

    name: str
    kind: str = "text"

    def read(self, form: Mapping[str, str]) -> Any:
        """Convert the submitted text to its JSON value, None if it is empty."""
        text = form.get(self.name, "").strip()
        if self.kind == "flag":
            return bool(text)
        if self.kind == "lines":
            return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]
        if self.kind == "number":
            return int(text) if text.isdigit() else text or None
        return text or None

    def show(self, value: Any) -> str:
        """Convert a JSON value to the submitted text."""
        if self.kind == "lines":
            return "\n".join(value or [])
        if self.kind == "flag":
            return "yes" if value else ""
        return "" if value is None else str(value)


class Form:
    """A form of a page. `record`: the record that it changes.

    A form of a record carries the values that it was opened with. A change contains only what the person changed, and
    a field that somebody else has changed meanwhile is not overwritten but shown.
    """

    def __init__(self, *fields: Field, record: Mapping[str, Any] | None = None) -> None:
        self._fields = {field.name: field for field in fields}
        self._current = {field.name: field.show(_inside(record or {}, field.name)) for field in fields}
        self._opened = self._sent_opened() or self._current
        self.errors: dict[str, list[str]] = {}
        self.message: str | None = None
        self.status = 200
        self.values = {field.name: self._text_of(field) for field in fields}

    @property
    def opened(self) -> str:
        """Return the record's values for the hidden field OPENED."""
        return json.dumps(self._current)

    @property
    def is_sent(self) -> bool:
        return request.method == "POST"

    def body(self) -> dict[str, Any]:
        """Return all filled-in fields as a request body."""
        filled = {name: value for name, value in self._read() if value not in (None, [], "")}
        return _nest(filled.items())

    def changes(self) -> dict[str, Any]:
        """Return what the person changed as a merge patch: an emptied field is null."""
        return _nest((name, value) for name, value in self._read() if self._is_changed(name))

    def submit(self, send: Callable[[], Any]) -> Any | None:
        """Send a submitted form; return None if it was not submitted, or was refused, which the form then shows."""
        if not self.is_sent or self._has_conflicts():
            return None
        try:
            return send()
        except ApiError as problem:
            if problem.status not in CORRECTABLE:
                raise
            self.refuse(problem)
            return None

    def confirm(self, text: str) -> bool:
        """Return whether the form was submitted with this text as confirmation; another text is an error."""
        if self.is_sent and self.values[CONFIRMATION].strip() != text:
            self.errors[CONFIRMATION] = [f"Type {text} to confirm."]
            self.status = 422
        return self.is_sent and CONFIRMATION not in self.errors

    def refuse(self, problem: ApiError) -> None:
        """Assign each field error to its field; the others go above the form."""
        elsewhere = []
        for fault in problem.errors:
            name = self._field_name(fault.pointer)
            if name is None:
                elsewhere.append(f"{fault.pointer.lstrip('/')}: {fault.detail}")
            else:
                self.errors.setdefault(name, []).append(fault.detail)
        self.status = problem.status
        self.message = " ".join(["Correct what is marked.", *elsewhere]) if problem.errors else sentence(problem)

    def _text_of(self, field: Field) -> str:
        """Return the submitted text of a changed field, else the record's."""
        if not self.is_sent or not self._is_changed(field.name):
            return self._current[field.name]
        return request.form.get(field.name, "")

    def _read(self) -> Iterable[tuple[str, Any]]:
        return ((name, field.read(request.form)) for name, field in self._fields.items())

    def _is_changed(self, name: str) -> bool:
        """Return whether the person changed a field."""
        field = self._fields[name]
        return bool(field.read(request.form) != field.read(self._opened))

    def _has_conflicts(self) -> bool:
        """Note an error at each field that somebody else has changed to another value since the form was opened."""
        for name, field in self._fields.items():
            current = field.read(self._current)
            if self._is_changed(name) and current not in (field.read(self._opened), field.read(request.form)):
                self.errors[name] = [f"Somebody else has changed this to: {self._current[name] or 'nothing'}"]
        if self.errors:
            self.message = "The record was changed while this form was open. Save again to keep your values."
            self.status = 409
        return bool(self.errors)

    def _sent_opened(self) -> dict[str, str] | None:
        """Return the values that the submitted form was opened with, None if it does not carry them."""
        try:
            found = json.loads(request.form.get(OPENED, ""))
        except ValueError:
            return None
        is_complete = isinstance(found, dict) and found.keys() == self._fields.keys()
        return found if is_complete and all(isinstance(text, str) for text in found.values()) else None

    def _field_name(self, pointer: str) -> str | None:
        """Find the field that a pointer refers to."""
        path = pointer.lstrip("/")
        while path and path not in self._fields:
            path = path.rpartition("/")[0]
        return path or None


def _inside(record: Mapping[str, Any], pointer: str) -> Any:
    found: Any = record
    for part in pointer.split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for pointer, value in pairs:
        *parents, last = pointer.split("/")
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return body
