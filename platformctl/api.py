"""The platform's HTTP API as a client sees it: JSON in and out, pages by Link header, every failure an exception."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from platformctl.failures import Refused, Unreachable
from platformctl.problems import failure_of, problem_of
from platformctl.transport import CONNECT_SECONDS, unreachable

READ_SECONDS = 30.0
LARGEST_PAGE = 200
KEY_ATTEMPTS = 5
#: an API that restarts is not the end of what it has begun, and not of waiting for it
LONGEST_SILENCE = 60.0

Record = dict[str, Any]


class Tokens(Protocol):
    """Where bearer tokens come from. Both raise NotSignedIn; `renewed` answers None if there is no other token."""

    def bearer(self) -> str: ...

    def renewed(self, refused: str) -> str | None: ...


@dataclass(frozen=True)
class Answer:
    """`body`: parsed JSON, None without one. `links`: relation to URL."""

    body: Any
    headers: Mapping[str, str]
    links: Mapping[str, str]


class Bearer(AuthBase):
    """Given explicitly, so that no .netrc of the caller's replaces it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Api:
    """One API. All methods raise Refused, Unreachable and NotSignedIn."""

    def __init__(self, url: str, http: requests.Session, tokens: Tokens) -> None:
        self._url = url
        self._http = http
        self._tokens = tokens
        #: when it last answered well, on the monotonic clock
        self._answered_at = float("-inf")

    @property
    def is_gone(self) -> bool:
        """Whether it has not answered for longer than a restart takes, or never."""
        return time.monotonic() - self._answered_at > LONGEST_SILENCE

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, patience: float = 0) -> Answer:
        """`patience`: seconds the API was asked to wait before it answers."""
        return self._ask("GET", path, params=_sent(params), timeout=(CONNECT_SECONDS, READ_SECONDS + patience))

    def post(
        self, path: str, body: Record | None = None, params: Mapping[str, Any] | None = None, *, key: str
    ) -> Answer:
        """`key`: the Idempotency-Key, with which the same request may be sent again and happens once."""
        headers = {"Idempotency-Key": key}
        for attempt in range(KEY_ATTEMPTS):
            try:
                return self._ask("POST", path, json=body, params=_sent(params), headers=headers)
            except KeyBusy:
                time.sleep(0.5 * 2**attempt)
            except Unreachable as problem:
                note = f"to repeat it so that it happens once: --idempotency-key {key}"
                raise Unreachable(problem.message, *problem.notes, note) from None
        raise Unreachable(f"The first request with the Idempotency-Key {key} is still running.")

    def patch(self, path: str, body: Record, if_match: str | None = None) -> Answer:
        return self._once("PATCH", path, json=body, headers=_condition(if_match))

    def delete(self, path: str, if_match: str | None = None) -> Answer:
        return self._once("DELETE", path, headers=_condition(if_match))

    def records(self, path: str, params: Mapping[str, Any], limit: int | None) -> Iterator[Record]:
        """Records of a list, page after page, `limit` of them at most. None: all."""
        left = limit
        size = LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE)
        answer = self.get(path, {**params, "limit": size})
        while True:
            page = answer.body if left is None else answer.body[:left]
            yield from page
            left = None if left is None else left - len(page)
            if left == 0 or "next" not in answer.links:
                return
            answer = self.get(answer.links["next"])

    def _once(self, method: str, path: str, **options: Any) -> Answer:
        try:
            return self._ask(method, path, **options)
        except Unreachable as problem:
            note = "whether the change was made is not known: read the record before you repeat it"
            raise Unreachable(problem.message, *problem.notes, note) from None

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        url = self._resolve(path)
        token = self._tokens.bearer()
        answer = self._send(method, url, token, **options)
        if answer.status_code == 401:
            other = self._tokens.renewed(token)
            answer = self._send(method, url, other, **options) if other else answer
        if not 200 <= answer.status_code < 300:
            if problem_of(answer).get("code") == "idempotency_key_in_progress":
                raise KeyBusy("The first request is still running.")
            raise failure_of(answer)
        self._answered_at = time.monotonic()
        return Answer(_json(answer), answer.headers, {name: one["url"] for name, one in answer.links.items()})

    def _send(self, method: str, url: str, token: str, **options: Any) -> requests.Response:
        options = {"timeout": (CONNECT_SECONDS, READ_SECONDS), **options}
        headers = {**options.pop("headers", {}), "Accept": "application/json", "X-Request-Id": uuid.uuid4().hex}
        try:
            return self._http.request(
                method, url, auth=Bearer(token), headers=headers, allow_redirects=False, **options
            )
        except requests.RequestException as problem:
            raise unreachable(url, problem) from None

    def _resolve(self, path: str) -> str:
        """A path or a link of the API as URL. Raises Refused for one that would carry the token elsewhere."""
        if path.startswith("/") and not path.startswith("//"):
            # behind a proxy that strips a prefix, the API's links lack it
            prefix = urlsplit(self._url).path
            return self._url + path.removeprefix(prefix if path.startswith(f"{prefix}/") else "")
        url = urljoin(f"{self._url}/", path)
        if urlsplit(url)[:2] != urlsplit(self._url)[:2]:
            raise Refused(f"The API answered with a link to another server: {url}")
        return url


class KeyBusy(Refused):
    """The first request with this Idempotency-Key has not been answered yet."""


def new_key() -> str:
    return uuid.uuid4().hex


def _sent(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}


def _condition(if_match: str | None) -> dict[str, str]:
    """An ETag may be given with or without its quotes."""
    if if_match is None:
        return {}
    quoted = if_match if if_match == "*" or if_match.endswith('"') else f'"{if_match}"'
    return {"If-Match": quoted}


def _json(answer: requests.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except requests.JSONDecodeError:
        place = answer.url.partition("?")[0]
        raise Unreachable(f"{place} answered something that is not JSON; is --api-url right?") from None
