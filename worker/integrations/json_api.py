"""One product's HTTP origin: pooled connections, a deadline for each whole call, repeats only where repeating is safe.

Nothing an upstream sends, and no credential, ever enters an exception's text or a log from here.
"""

from __future__ import annotations

import email.utils
import json as json_text
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import structlog
import urllib3
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from shared.domain.faults import Refused, Unavailable
from shared.transport import DeadlineAdapter, call_within, trust_of
from worker.deadline import remaining

log = structlog.get_logger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONNECT_SECONDS = 3.0
#: a 429's wait up to this is sat out within the attempt; a longer one is the operation's affair, in seconds
SHORT_WAIT = 2.0
LARGEST_BODY = 32 * 2**20


@dataclass(frozen=True)
class Answer:
    """A complete answer. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_empty(self) -> bool:
        return not self.content.strip()

    def json(self) -> Any:
        """Raises Unavailable("unexpected_answer") when the body is not JSON."""
        try:
            return json_text.loads(self.content)
        except ValueError:
            raise Unavailable("unexpected_answer", "The answer was not JSON.") from None


class _Repeatable(Unavailable):
    """A fault that a request which is safe to repeat may try again at once."""


class JsonApi:
    """A transport for one origin; safe to share between threads (a session for each thread)."""

    def __init__(
        self,
        origin: str,
        *,
        authorize: AuthBase | None = None,
        call_seconds: float = 10.0,
        ca_file: str | None = None,
        pool_size: int = 4,
    ) -> None:
        """`origin`: URL that paths are put behind, with or without a slash at its end. Times in seconds."""
        self._origin = origin.rstrip("/")
        self._authorize = authorize
        self._call_seconds = call_seconds
        self._trust = trust_of(ca_file)
        self._pool_size = pool_size
        self._sessions = threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        hand_back: Collection[int] = (),
    ) -> Answer:
        """One request with its whole answer.

        Gives back any 2xx to 4xx answer except 408, 425 and 429, and any status in `hand_back`. Raises Unavailable
        (`unreachable`, `timeout`, `upstream_error`, `throttled` with the wait asked for) or Refused("tls"). Requests
        that are safe to repeat (`repeatable`; without it GET, HEAD and OPTIONS) are tried three times within the
        call's time; all others once, since an answer that was lost may have had its effect.
        """
        sent = {"Accept": "application/json", **_request_id(), **(headers or {})}
        request = requests.Request(method, self._origin + path, json=json, data=form, params=params, headers=sent)
        ends_at = time.monotonic() + remaining(self._call_seconds)

        def once() -> Answer:
            return _judged(self._send(request, ends_at), hand_back)

        if not (method in SAFE_METHODS if repeatable is None else repeatable):
            return once()
        return Retrying(
            retry=retry_if_exception(lambda fault: _worth_repeating(fault, ends_at)),
            stop=stop_after_attempt(3),
            wait=_pause,
            reraise=True,
        )(once)

    def close(self) -> None:
        """Close the calling thread's connections."""
        if hasattr(self._sessions, "session"):
            self._sessions.session.close()

    def _session(self) -> requests.Session:
        if not hasattr(self._sessions, "session"):
            session = requests.Session()
            # proxies and CA bundles of the environment would otherwise override what the settings say
            session.trust_env = False
            session.auth = self._authorize
            adapter = DeadlineAdapter(self._trust, self._pool_size)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._sessions.session = session
        found: requests.Session = self._sessions.session
        return found

    def _send(self, request: requests.Request, ends_at: float) -> Answer:
        left = ends_at - time.monotonic()
        if left <= 0:
            raise Unavailable("timeout", "The attempt's time was up before the call.")
        session = self._session()
        try:
            with call_within(left):
                response = session.send(
                    session.prepare_request(request),
                    timeout=(min(CONNECT_SECONDS, left), left),
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    content = response.raw.read(LARGEST_BODY + 1, decode_content=True)
        except requests.exceptions.SSLError:
            raise Refused("tls") from None
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout, TimeoutError):
            raise _Repeatable("timeout") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
            raise _Repeatable("timeout" if _is_timeout(problem) else "unreachable") from None
        if len(content) > LARGEST_BODY:
            raise Unavailable("unexpected_answer", "The answer was larger than any this product gives.")
        return Answer(response.status_code, response.headers, content)


def _is_timeout(problem: BaseException | None) -> bool:
    while problem is not None:
        if isinstance(problem, TimeoutError):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def _judged(answer: Answer, hand_back: Collection[int]) -> Answer:
    status = answer.status
    if status in hand_back:
        return answer
    if status == 429:
        raise _Repeatable("throttled", wait=_asked_wait(answer) or 1.0)
    if status in (502, 503, 504):
        raise _Repeatable("upstream_error", f"It answered {status}.", wait=_asked_wait(answer))
    if status in (408, 425) or status >= 500:
        raise Unavailable("upstream_error", f"It answered {status}.", wait=_asked_wait(answer))
    return answer


def _worth_repeating(fault: BaseException, ends_at: float) -> bool:
    if not isinstance(fault, _Repeatable) or (fault.wait or 0.0) > SHORT_WAIT:
        return False
    return time.monotonic() + (fault.wait or 0.2) < ends_at


def _pause(state: RetryCallState) -> float:
    fault = state.outcome.exception() if state.outcome else None
    asked = fault.wait if isinstance(fault, Unavailable) and fault.wait else 0.0
    return max(asked, wait_exponential_jitter(multiplier=0.1, max=1.0, jitter=0.1)(state))


def _asked_wait(answer: Answer) -> float | None:
    """Retry-After in seconds, given as a number or as an HTTP date (RFC 9110, section 10.2.3)."""
    text = answer.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _request_id() -> dict[str, str]:
    found = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": str(found)} if found else {}


class BearerToken(AuthBase):
    """A fixed bearer token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
