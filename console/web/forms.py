"""Forms whose field names are JSON pointers, so that each error of the API is shown beside its field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from client.errors import ApiError
from console.web.api import sentence

#: statuses of errors that a person can correct in the form
CORRECTABLE = (400, 403, 409, 412, 422, 429)


@dataclass(frozen=True)
class Field:
    """An input. `name`: its JSON pointer without the first slash. `kind`: text, lines (a list), flag or number."""

    name: str
    kind: str = "text"

    def read(self, form: Mapping[str, str]) -> Any:
        """Convert the submitted text to its JSON value, None if it is empty."""
        text = form.get(self.name, "").strip()
        if self.kind == "flag":
            return self.name in form
        if self.kind == "lines":
            return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]
        if self.kind == "number":
            return int(text) if text.isdigit() else text or None
        return text or None

    def show(self, value: Any) -> Any:
        """Convert a JSON value to the input's text."""
        if self.kind == "lines":
            return "\n".join(value or [])
        return "" if value is None else value


class Form:
    """A form of a page. `record`: the record that it changes."""

    def __init__(self, *fields: Field, record: Mapping[str, Any] | None = None) -> None:
        self._fields = {field.name: field for field in fields}
        self._record = record or {}
        self.errors: dict[str, list[str]] = {}
        self.message: str | None = None
        self.status = 200
        self.values = {field.name: self._shown(field) for field in fields}

    @property
    def is_sent(self) -> bool:
        return request.method == "POST"

    def body(self) -> dict[str, Any]:
        """Return all filled-in fields as a request body."""
        filled = {name: value for name, value in self._read() if value not in (None, [], "")}
        return _nested(filled.items())

    def changes(self) -> dict[str, Any]:
        """Return what differs from the record as a merge patch: an emptied field is null."""
        return _nested((name, value) for name, value in self._read() if value != self._before(name))

    def submit(self, send: Callable[[], Any]) -> Any | None:
        """Send a submitted form; return None if it was not submitted, or was refused, which the form then shows."""
        if not self.is_sent:
            return None
        try:
            return send()
        except ApiError as problem:
            if problem.status not in CORRECTABLE:
                raise
            self.refuse(problem)
            return None

    def refuse(self, problem: ApiError) -> None:
        """Assign each field error to its field; the others go above the form."""
        elsewhere = []
        for fault in problem.errors:
            name = self._named(fault.pointer)
            if name is None:
                elsewhere.append(f"{fault.pointer.lstrip('/')}: {fault.detail}")
            else:
                self.errors.setdefault(name, []).append(fault.detail)
        self.status = problem.status
        self.message = " ".join(["Correct what is marked.", *elsewhere]) if problem.errors else sentence(problem)

    def _shown(self, field: Field) -> Any:
        """Return what was submitted, else the record's value."""
        return request.form.get(field.name, "") if self.is_sent else field.show(_inside(self._record, field.name))

    def _read(self) -> Iterable[tuple[str, Any]]:
        return ((name, field.read(request.form)) for name, field in self._fields.items())

    def _before(self, name: str) -> Any:
        found = _inside(self._record, name)
        empty: dict[str, Any] = {"lines": [], "flag": False}
        return found if found not in (None, "") else empty.get(self._fields[name].kind)

    def _named(self, pointer: str) -> str | None:
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


def _nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for pointer, value in pairs:
        *parents, last = pointer.split("/")
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return body
