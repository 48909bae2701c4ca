"""Requests to one API: JSON in and out, bearer tokens, idempotency keys, pages; every failure is an exception."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import requests

from client.errors import ApiError, Unreachable, error_of
from client.transport import CONNECT_SECONDS, unreachable

T = TypeVar("T")

READ_SECONDS = 30.0
MAX_PAGE_SIZE = 200
KEY_ATTEMPTS = 5
KEY_IN_PROGRESS = "idempotency_key_in_progress"
#: seconds that an API may be unavailable, such as during a restart, before waiting for an operation ends
MAX_UNAVAILABLE_SECONDS = 60.0

Params = Mapping[str, Any]


class Tokens(Protocol):
    """Source of bearer tokens. Both methods raise NotSignedIn; `renewed` returns None if there is no other token."""

    def bearer(self) -> str: ...

    def renew(self, refused: str) -> str | None: ...


@dataclass(frozen=True)
class Response(Generic[T]):
    """A successful response. `data`: its parsed JSON with all fields, also unknown ones; None without a body."""

    data: T
    headers: Mapping[str, str]
    #: relation of a Link header to the query parameters of its URL
    links: Mapping[str, dict[str, str]]

    @property
    def etag(self) -> str | None:
        """Return the record's version without quotes, for `if_match`."""
        etag = self.headers.get("ETag")
        return etag.strip('"') if etag else None

    @property
    def operation_id(self) -> str | None:
        """Return the id of the operation that the request started."""
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


class Connection:
    """One API. All methods raise ApiError, Unreachable and NotSignedIn.

    `read_seconds`: how long the API may take for a response.
    """

    def __init__(self, url: str, session: requests.Session, tokens: Tokens, read_seconds: float = READ_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._tokens = tokens
        self._read_seconds = read_seconds
        #: time of the last successful response, by the monotonic clock
        self._succeeded_at = float("-inf")

    @property
    def is_unavailable(self) -> bool:
        """Return whether the API never answered, or has not for longer than a restart takes."""
        return time.monotonic() - self._succeeded_at > MAX_UNAVAILABLE_SECONDS

    def get(
        self, path: str, params: Params | None = None, *, extra_seconds: float = 0, kind: type = object
    ) -> Response[Any]:
        """Send a GET. `extra_seconds`: additional seconds that the API may take, such as for `?wait=`.

        `kind`: dict or list, to raise Unreachable for other JSON, which another server must have sent.
        """
        response = self.request("GET", path, params=params, extra_seconds=extra_seconds)
        return self.checked(response, path, kind)

    def post(
        self,
        path: str,
        body: Any = None,
        params: Params | None = None,
        *,
        key: str | None = None,
        extra_seconds: float = 0,
    ) -> Response[Any]:
        """Send a POST that is carried out once per `key` (Idempotency-Key); by default with a new key."""
        key = key or new_key()
        headers = {"Idempotency-Key": key}
        for attempt in range(KEY_ATTEMPTS):
            try:
                return self.request("POST", path, body, params=params, headers=headers, extra_seconds=extra_seconds)
            except ApiError as error:
                if error.code != KEY_IN_PROGRESS or attempt == KEY_ATTEMPTS - 1:
                    raise
                time.sleep(0.5 * 2**attempt)
            except Unreachable as error:
                error.idempotency_key = key
                raise
        raise AssertionError  # the last attempt returns or raises

    def patch(self, path: str, body: Any, if_match: str | None = None) -> Response[Any]:
        return self._once("PATCH", path, body, if_match)

    def delete(self, path: str, if_match: str | None = None, params: Params | None = None) -> Response[Any]:
        return self._once("DELETE", path, None, if_match, params)

    def page(self, path: str, params: Params, limit: int, cursor: str | None = None) -> Page[Any]:
        """Read one page of a list."""
        response = self.get(path, {**params, "limit": limit, "cursor": cursor}, kind=list)
        return Page(response.data, response.links.get("next", {}).get("cursor"))

    def records(self, path: str, params: Params, limit: int | None = None) -> Iterator[Any]:
        """Iterate over the records of a list, page after page, at most `limit` of them."""
        left, cursor = limit, None
        while left is None or left > 0:
            page = self.page(path, params, MAX_PAGE_SIZE if left is None else min(left, MAX_PAGE_SIZE), cursor)
            yield from page.items if left is None else page.items[:left]
            left = None if left is None else left - len(page.items)
            cursor = page.next
            if cursor is None:
                return

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        extra_seconds: float = 0,
    ) -> Response[Any]:
        """Send one request; repeat it once with a renewed token if the first token was refused."""
        if not path.startswith("/"):
            raise ValueError(f"{path!r} is not a path of the API: it must begin with a slash")
        options = {
            "params": {name: value for name, value in (params or {}).items() if value is not None},
            "headers": {"Accept": "application/json", "X-Request-Id": uuid.uuid4().hex, **(headers or {})},
            "timeout": (CONNECT_SECONDS, (timeout or self._read_seconds) + extra_seconds),
            **({"json": body} if body is not None else {}),
        }
        token = self._tokens.bearer()
        response = self._send(method, path, token, **options)
        if response.status_code == 401 and (other := self._tokens.renew(token)):
            response = self._send(method, path, other, **options)
        if not 200 <= response.status_code < 300:
            raise error_of(response)
        self._succeeded_at = time.monotonic()
        return Response(_json(response), response.headers, _links(response))

    def checked(self, response: Response[Any], path: str, kind: type) -> Response[Any]:
        """Return a response whose JSON is of this kind. Raises Unreachable."""
        if not isinstance(response.data, kind):
            wanted = "a list" if kind is list else "a record"
            raise Unreachable(f"{self._url}{path} sent JSON that is not {wanted}; is this the API's URL?")
        return response

    def _once(
        self, method: str, path: str, body: Any, if_match: str | None, params: Params | None = None
    ) -> Response[Any]:
        headers = {} if if_match is None else {"If-Match": _quote(if_match)}
        try:
            return self.request(method, path, body, params=params, headers=headers)
        except Unreachable as error:
            note = "it is not known whether the change was made: read the record before you repeat it"
            error.notes = (*error.notes, note)
            raise

    def _send(self, method: str, path: str, token: str, **options: Any) -> requests.Response:
        headers = {**options.pop("headers"), "Authorization": f"Bearer {token}"}
        url = self._url + path
        try:
            return self._session.request(method, url, headers=headers, allow_redirects=False, **options)
        except requests.RequestException as problem:
            raise unreachable(url, problem) from None


def new_key() -> str:
    """Return a new idempotency key."""
    return uuid.uuid4().hex


def _quote(etag: str) -> str:
    """Return an ETag with its quotes; it may be given with or without."""
    return etag if etag == "*" or etag.endswith('"') else f'"{etag}"'


def _links(response: requests.Response) -> dict[str, dict[str, str]]:
    """Return the query parameters of each link. Its host is ignored, so that tokens go only to the API."""
    return {relation: dict(parse_qsl(urlsplit(link["url"]).query)) for relation, link in response.links.items()}


def _json(response: requests.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except requests.JSONDecodeError:
        place = response.url.partition("?")[0]
        raise Unreachable(f"{place} sent a response that is not JSON; is this the API's URL?") from None
