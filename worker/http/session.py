"""Sessions of `requests` for the integrations: with deadlines, without cookies and ambient proxies.

Errors become our faults. No text of a server and no credential enters an exception or a log.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from shared.core.http import DeadlineAdapter, call_deadline, tls_context
from shared.integrations.outcomes import Fault, PermanentError, TemporaryError

T = TypeVar("T")
S = TypeVar("S", bound=requests.Session)

CONNECT_SECONDS = 3.0
#: longest Retry-After that is waited for within an attempt, in seconds; a longer one ends the attempt
SHORT_WAIT = 2.0
TRIES = 3
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "dezky-platform-api"}


class Repeatable(TemporaryError):
    """A fault after which a request that is safe to repeat may be sent again at once."""


def adapter_for(ca_file: str | None, pool_size: int = 32) -> DeadlineAdapter:
    """Make the adapter that all sessions of one client share. `ca_file`: authorities trusted beside the system's."""
    return DeadlineAdapter(tls_context(ca_file), pool_size)


def prepared(session: S, adapter: DeadlineAdapter) -> S:
    """Mount the adapter and remove features that APIs do not need. A session serves one thread at a time."""
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(HEADERS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


@contextmanager
def bounded(ends_at: float) -> Iterator[float]:
    """Limit a whole call by a time of `time.monotonic`, and turn transport errors into faults. Yield the seconds left.

    Raises TemporaryError("timeout" | "unreachable") or PermanentError("tls").
    """
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TemporaryError("timeout", "The attempt's time was up before the call.")
    try:
        with call_deadline(left):
            yield left
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
        raise _fault_of(problem) from None


def repeat(call: Callable[[], T], ends_at: float) -> T:
    """Call up to three times while it raises Repeatable and time is left."""
    return Retrying(
        retry=retry_if_exception(lambda fault: _is_worth_repeating(fault, ends_at)),
        stop=stop_after_attempt(TRIES),
        wait=_pause,
        reraise=True,
    )(call)


def _fault_of(problem: BaseException) -> Fault:
    chain = list(_causes(problem))
    tls = next((one for one in chain if isinstance(one, ssl.SSLError)), None)
    if tls is not None and not isinstance(tls, TimeoutError):
        # a server that disconnects during the handshake may work later; a refused certificate will not
        return PermanentError("tls") if isinstance(tls, ssl.SSLCertVerificationError) else Repeatable("unreachable")
    if any(isinstance(one, urllib3.exceptions.SSLError) for one in chain):
        return PermanentError("tls")
    is_timeout = any(isinstance(one, _TIMEOUTS) and not isinstance(one, _NO_TIMEOUTS) for one in chain)
    return Repeatable("timeout" if is_timeout else "unreachable")


#: urllib3 counts a refused connection among its timeouts
_TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
_NO_TIMEOUTS = (urllib3.exceptions.NewConnectionError,)


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        inner = problem.args[0] if problem.args and isinstance(problem.args[0], BaseException) else None
        problem = problem.__cause__ or problem.__context__ or inner


def _is_worth_repeating(fault: BaseException, ends_at: float) -> bool:
    if not isinstance(fault, Repeatable) or (fault.wait or 0.0) > SHORT_WAIT:
        return False
    return time.monotonic() + (fault.wait or 0.2) < ends_at


def _pause(state: RetryCallState) -> float:
    fault = state.outcome.exception() if state.outcome else None
    asked = fault.wait if isinstance(fault, TemporaryError) and fault.wait else 0.0
    return max(asked, wait_exponential_jitter(multiplier=0.1, max=1.0, jitter=0.1)(state))
