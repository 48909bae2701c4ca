"""One product's HTTP origin: pooled connections, a deadline for each whole call, repeats only where repeating is safe.

Nothing an upstream sends, and no credential, ever enters an exception's text or a log from here.
"""

from __future__ import annotations

import email.utils
import json as json_text
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import requests
import structlog
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter
from urllib3.util import parse_url

from shared.core.http import call_within, deadline_pools, trust_of
from shared.integrations.outcomes import Refused, Unavailable
from worker.http.deadline import remaining
from worker.http.response import Answer

log = structlog.get_logger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONNECT_SECONDS = 3.0
#: a 429's wait up to this is sat out within the attempt; a longer one is the operation's affair, in seconds
SHORT_WAIT = 2.0
#: a day: what asks for more is asked again then, and the time it is due at can be written as a date
LONGEST_WAIT = 86400.0
#: with every request
STANDING = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "dezky-platform-api"}
LARGEST_BODY = 32 * 2**20


class _Repeatable(Unavailable):
    """A fault that a request which is safe to repeat may try again at once."""


@dataclass(frozen=True)
class _Request:
    """`target`: path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


class JsonApi:
    """A transport for one origin; safe to share between threads, which share its connections."""

    def __init__(
        self,
        origin: str,
        *,
        authorize: AuthBase | None = None,
        call_seconds: float = 10.0,
        ca_file: str | None = None,
        pool_size: int = 32,
    ) -> None:
        """`origin`: URL that paths are put behind, with or without a slash at its end. Times in seconds."""
        self._prefix = parse_url(origin.rstrip("/")).path or ""
        self._authorize = authorize
        self.call_seconds = call_seconds
        self._pool = deadline_pools(trust_of(ca_file), pool_size).connection_from_url(origin)

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        hand_back: Collection[int] = (),
    ) -> Answer:
        """One request with its whole answer. `form`: fields, or their text as it is to be sent.

        Gives back any 2xx to 4xx answer except 408, 425 and 429, and any status in `hand_back`. Raises Unavailable
        (`unreachable`, `timeout`, `upstream_error`, `throttled` with the wait asked for) or Refused("tls"). Requests
        that are safe to repeat (`repeatable`; without it GET, HEAD and OPTIONS) are tried three times within the
        call's time; all others once, since an answer that was lost may have had its effect.
        """
        query = f"?{urlencode(params)}" if params else ""
        body, kind = _encoded(json, form)
        sent = {**STANDING, **kind, **_request_id(), **(headers or {})}
        request = _Request(method, f"{self._prefix}{path}{query}", sent, body)
        ends_at = time.monotonic() + remaining(self.call_seconds)

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
        """Close the connections."""
        self._pool.close()

    def _send(self, request: _Request, ends_at: float) -> Answer:
        if (left := ends_at - time.monotonic()) <= 0:
            raise Unavailable("timeout", "The attempt's time was up before the call.")
        try:
            with call_within(left):
                return self._exchanged(request, left)
        except urllib3.exceptions.SSLError as problem:
            raise _Repeatable("unreachable") if _is_broken_off(problem) else Refused("tls") from None
        except (urllib3.exceptions.HTTPError, OSError) as problem:
            raise _Repeatable("timeout" if _is_timeout(problem) else "unreachable") from None

    def _exchanged(self, request: _Request, left: float) -> Answer:
        # urllib3 itself, not requests: no cookies, proxies or redirects are wanted, and it costs half the time
        response = self._pool.urlopen(
            request.method,
            request.target,
            body=request.body,
            headers=self._authorized(request.headers),
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=left),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        content = response.read(LARGEST_BODY + 1, decode_content=True)
        if len(content) > LARGEST_BODY:
            response.close()
            raise Unavailable("unexpected_answer", "The answer was larger than any this product gives.")
        response.release_conn()
        return Answer(response.status, response.headers, content)

    def _authorized(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        if self._authorize is None:
            return headers
        prepared = requests.PreparedRequest()
        prepared.headers = CaseInsensitiveDict(headers)
        self._authorize(prepared)
        return prepared.headers


def _encoded(json: object, form: Mapping[str, str] | str | None) -> tuple[bytes | None, dict[str, str]]:
    """A body, and the header that says what it is."""
    if json is not None:
        return json_text.dumps(json, allow_nan=False).encode(), {"Content-Type": "application/json"}
    if form is not None:
        text = form if isinstance(form, str) else urlencode(form)
        return text.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return None, {}


def _is_broken_off(problem: urllib3.exceptions.SSLError) -> bool:
    """Whether TLS failed for another reason than the certificate: a server that goes away in a handshake, or has a
    fault of its own, may do better later."""
    cause = problem.args[0] if problem.args else None
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError)


_TIMEOUTS = (TimeoutError, urllib3.exceptions.TimeoutError)


def _is_timeout(problem: BaseException | None) -> bool:
    while problem is not None:
        # urllib3 counts a refused connection among its time-outs
        if isinstance(problem, _TIMEOUTS) and not isinstance(problem, urllib3.exceptions.NewConnectionError):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def _judged(answer: Answer, hand_back: Collection[int]) -> Answer:
    status = answer.status
    if status == 404 and answer.is_proxy_page:
        # even to a caller that would take a 404 for an absent object
        raise Unavailable("upstream_error", "A proxy answered 404 in its place, as it does while the product restarts.")
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
    """Retry-After in seconds, LONGEST_WAIT at most, given as a number or as an HTTP date (RFC 9110, section 10.2.3): by
    the clock of whoever answers, where it tells its time, since ours may be hours off.
    """
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, until - _time_of(answer)), LONGEST_WAIT)


def _time_of(answer: Answer) -> float:
    """When it was answered, as the answer has it; by our clock where it does not say."""
    try:
        return email.utils.parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def _request_id() -> dict[str, str]:
    found = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": str(found)} if found else {}


def user_and_password(user: str, password: str) -> AuthBase:
    """Basic credentials in UTF-8 (RFC 7617, section 2.1), which products read; requests would write text in Latin-1."""
    return HTTPBasicAuth(user.encode(), password.encode())


class BearerToken(AuthBase):
    """A fixed bearer token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
