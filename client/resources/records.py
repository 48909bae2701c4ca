"""Records that are listed, read, created, changed and deleted alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from client.connection import Connection, Find, same
from client.responses import Page, Response

T = TypeVar("T")
New = TypeVar("New")
Changes = TypeVar("Changes")

DEFAULT_PAGE = 50


class Listing(Generic[T]):
    """A list with pages. Filters are the route's query parameters; one that is None is not sent."""

    def __init__(self, connection: Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def list(self, /, limit: int | None = None, **filters: Any) -> Iterator[T]:
        """Iterate over all records, or `limit` of them, newest first; pages are read as they are needed."""
        return self._connection.records(self._path, _params(filters), limit)

    def page(self, /, limit: int = DEFAULT_PAGE, cursor: str | None = None, **filters: Any) -> Page[T]:
        """Read one page."""
        return self._connection.page(self._path, _params(filters), limit, cursor)


class ReadOnlyRecords(Listing[T]):
    """Records that can be listed and read."""

    def get(self, record: str) -> Response[T]:
        return self._connection.get(self._at(record), kind=dict)

    def _at(self, *parts: str) -> str:
        return "/".join([self._path, *map(segment, parts)])

    def _post(
        self,
        *parts: str,
        body: Any = None,
        key: str | None = None,
        extra_seconds: float = 0,
        find: Find = same,
        **params: Any,
    ) -> Response[Any]:
        path = self._at(*parts)
        response = self._connection.post(path, body, params, key=key, extra_seconds=extra_seconds, find=find)
        return self._connection.checked(response, path, dict)


class Records(ReadOnlyRecords[T], Generic[T, New, Changes]):
    """Records that can be created, changed and deleted too. `if_match`: an ETag; a stale one is refused (412)."""

    def create(self, body: New, *, key: str | None = None) -> Response[T]:
        return self._connection.checked(self._connection.post(self._path, body, key=key), self._path, dict)

    def update(self, record: str, changes: Changes, *, if_match: str | None = None) -> Response[T]:
        path = self._at(record)
        return self._connection.checked(self._connection.patch(path, changes, if_match), path, dict)

    def delete(self, record: str, *, if_match: str | None = None) -> Response[Any]:
        return self._connection.delete(self._at(record), if_match)


def segment(text: str) -> str:
    """Return a slug, id or domain as one segment of a path; it never leads to another one."""
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} cannot be a part of a path")
    return quote(text, safe="")


def found_in(records: Sequence[Any], field: str, value: str) -> Any:
    """Return the record whose field has this value. Raises LookupError."""
    return {record[field]: record for record in records}[value]


def _params(filters: dict[str, Any]) -> dict[str, Any]:
    """Return filters as the API names them: `step__ocis` becomes `step.ocis`, and booleans are lower case."""
    return {name.replace("__", "."): _text(value) for name, value in filters.items()}


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
