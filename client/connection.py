"""Requests to one API: JSON, bearer tokens, idempotency keys, pages; every failure is an exception."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import requests

from client.errors import ApiError, Unreachable, error_of
from client.responses import Page, Response, json_of, links_of
from client.transport import CONNECT_SECONDS, unreachable

READ_SECONDS = 30.0
MAX_PAGE_SIZE = 200
#: parameters of a link that say where a page begins, in a list and in the feed of events
PLACES = frozenset({"cursor", "after"})
#: seconds to wait for a request with the same key: the API frees the key of a process that died after a minute
KEY_SECONDS = 65.0
MAX_KEY_PAUSE = 8.0
KEY_IN_PROGRESS = "idempotency_key_in_progress"
ALREADY_DONE = "already_done"
#: seconds that an API may be unavailable, such as during a restart, before waiting for an operation ends
MAX_UNAVAILABLE_SECONDS = 60.0

Params = Mapping[str, Any]
Find = Callable[[Any], Any]


def same(record: Any) -> Any:
    """Return the record itself."""
    return record


class Tokens(Protocol):
    """Source of bearer tokens. Both methods raise NotSignedIn; `renew` returns None if there is no other token."""

    def bearer(self) -> str: ...

    def renew(self, refused: str) -> str | None: ...


class Connection:
    """One API. All methods raise ApiError, Unreachable and NotSignedIn.

    `read_seconds`: how long the API may take for a response. `key_seconds`: how long a POST waits for another request
    with its idempotency key.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        tokens: Tokens,
        read_seconds: float = READ_SECONDS,
        key_seconds: float = KEY_SECONDS,
    ) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._tokens = tokens
        self._read_seconds = read_seconds
        self._key_seconds = key_seconds
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
        find: Find = same,
    ) -> Response[Any]:
        """Send a POST that is carried out once per `key` (Idempotency-Key); by default with a new key.

        `find`: returns this request's data from the record that it changes, if that record is of another kind.
        """
        key = key or new_key()
        headers, repeated = {"Idempotency-Key": key}, False
        ends_at, pause = time.monotonic() + self._key_seconds, 0.5
        while True:
            try:
                return self.request(
                    "POST",
                    path,
                    body,
                    params=params,
                    headers=headers,
                    extra_seconds=extra_seconds,
                    repeated=repeated,
                    find=find,
                )
            except ApiError as error:
                if error.code != KEY_IN_PROGRESS or time.monotonic() + pause > ends_at:
                    raise
                repeated = repeated or error.repeated
            except Unreachable as error:
                error.idempotency_key = key
                raise
            time.sleep(pause)
            pause = min(2 * pause, MAX_KEY_PAUSE)

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
        left, place = limit, dict[str, str]()
        while left is None or left > 0:
            size = MAX_PAGE_SIZE if left is None else min(left, MAX_PAGE_SIZE)
            response = self.get(path, {**params, "limit": size, **place}, kind=list)
            yield from response.data if left is None else response.data[:left]
            left = None if left is None else left - len(response.data)
            if not response.data or "next" not in response.links:  # a feed of newer events always has a next page
                return
            place = {name: value for name, value in response.links["next"].items() if name in PLACES}

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
        repeated: bool = False,
        find: Find = same,
    ) -> Response[Any]:
        """Send one request; repeat it once with a renewed token if the first token was refused.

        If a repeat learns that the change was made and its response lost (`already_done`), the changed record is read
        instead. `repeated`: the request was sent before. `find`: see `post`.
        """
        if not path.startswith("/"):
            raise ValueError(f"{path!r} is not a path of the API: it must begin with a slash")
        options = {
            "params": {name: value for name, value in (params or {}).items() if value is not None},
            "headers": {**_own_headers(method), **(headers or {})},
            "timeout": (CONNECT_SECONDS, (timeout or self._read_seconds) + extra_seconds),
            **({"json": body} if body is not None else {}),
        }
        token = self._tokens.bearer()
        response = self._send(method, path, token, **options)
        if response.status_code == 401 and (other := self._tokens.renew(token)):
            response = self._send(method, path, other, **options)
        if not 200 <= response.status_code < 300:
            return self._after(error_of(response), repeated, find)
        self._succeeded_at = time.monotonic()
        return Response(json_of(response), response.headers, links_of(response))

    def _after(self, error: ApiError, repeated: bool, find: Find) -> Response[Any]:
        """Read the record that an earlier attempt changed. Raises the error if there is none."""
        if error.code != ALREADY_DONE or error.record is None or not (repeated or error.repeated):
            raise error
        try:
            response = self.get(error.record)
            return replace(response, data=find(response.data), recovered=True)
        except (ApiError, Unreachable, LookupError, ValueError):
            raise error from None

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


def _own_headers(method: str) -> dict[str, str]:
    """Return the headers that every request of this method has. A POST may be repeated, so each has a key."""
    headers = {"Accept": "application/json", "X-Request-Id": uuid.uuid4().hex}
    return {**headers, "Idempotency-Key": new_key()} if method == "POST" else headers


def _quote(etag: str) -> str:
    """Return an ETag with its quotes; it may be given with or without."""
    return etag if etag == "*" or etag.endswith('"') else f'"{etag}"'
