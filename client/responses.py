"""Responses of the API: parsed JSON with headers and links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import requests

from client.errors import Unreachable

T = TypeVar("T")


@dataclass(frozen=True)
class Response(Generic[T]):
    """A successful response. `data`: its parsed JSON with all fields, also unknown ones; None without a body.

    `recovered`: the response to the change was lost; this is the record, read after an automatic repeat.
    """

    data: T
    headers: Mapping[str, str]
    #: relation of a Link header to the query parameters of its URL
    links: Mapping[str, dict[str, str]]
    recovered: bool = False

    @property
    def etag(self) -> str | None:
        """Return the record's version without quotes, for `if_match`."""
        etag = self.headers.get("ETag")
        return etag.strip('"') if etag else None

    @property
    def operation_id(self) -> str | None:
        """Return the id of the operation that the request started."""
        if self.recovered and isinstance(self.data, dict):
            return (self.data.get("operation") or {}).get("id")
        return self.headers.get("Operation-Location", "").rpartition("/")[2] or None

    @property
    def request_id(self) -> str | None:
        return self.headers.get("X-Request-Id")

    @property
    def replayed(self) -> bool:
        """Return whether the API repeated its first response because the idempotency key had been used before."""
        return self.headers.get("Idempotency-Replayed") == "true"


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list. `next`: cursor of the following page, None at the end."""

    items: list[T]
    next: str | None


def links_of(response: requests.Response) -> dict[str, dict[str, str]]:
    """Return the query parameters of each link. Its host is ignored, so that tokens go only to the API."""
    return {relation: dict(parse_qsl(urlsplit(link["url"]).query)) for relation, link in response.links.items()}


def json_of(response: requests.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except requests.JSONDecodeError:
        place = response.url.partition("?")[0]
        raise Unreachable(f"{place} sent a response that is not JSON; is this the API's URL?") from None
