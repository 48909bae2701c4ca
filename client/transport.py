"""HTTP sessions: trusted certificates, retries, and the exceptions for connection failures."""

from __future__ import annotations

import ssl
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from client.errors import Unreachable, UntrustedCertificate

CONNECT_SECONDS = 10.0
DEFAULT_RETRIES = 3
#: safe to retry at the API: a GET changes nothing and every POST carries an Idempotency-Key. Unsent requests are
#: always retried
RETRYABLE = frozenset({"GET", "POST"})
#: safe to retry at an issuer: a code or a refresh token is valid once, so that a repeated POST would be refused
RETRYABLE_AT_ISSUER = frozenset({"GET"})
TEMPORARY = frozenset({502, 503, 504})
#: the distributions that contain this package
DISTRIBUTIONS = ("dezky-platform-api", "dezky-platformctl")


def package_version() -> str:
    """Return the version of the installed distribution."""
    for name in DISTRIBUTIONS:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


class InvalidCertificateFile(ValueError):
    """The file of certificate authorities cannot be read, or holds no certificate."""


class RetryUnlessSlow(Retry):
    """Retries after closed connections, not after read time-outs; urllib3's `read` counts both."""

    def increment(self, *args: Any, **options: Any) -> Self:
        if isinstance(error := options.get("error"), ReadTimeoutError):
            raise error
        return super().increment(*args, **options)


class TrustingAdapter(HTTPAdapter):
    """Trusts the system's certificate authorities, those of `certifi`, and those of one more file."""

    def __init__(self, context: ssl.SSLContext, retries: Retry) -> None:
        self._context = context
        super().__init__(max_retries=retries)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)


@cache
def load_authorities(ca_certs: Path | None) -> ssl.SSLContext:
    """Load the system's authorities and those of a PEM file, which takes 30 ms. Raises InvalidCertificateFile."""
    context = ssl.create_default_context()
    try:
        if ca_certs is not None:
            context.load_verify_locations(cafile=ca_certs)
    except (ssl.SSLError, OSError):
        raise InvalidCertificateFile(f"{ca_certs} holds no certificate in PEM format.") from None
    return context


def open_session(
    ca_certs: Path | None = None,
    *,
    retries: int = DEFAULT_RETRIES,
    repeat_slow: bool = True,
    user_agent: str = "dezky-platform-client",
) -> requests.Session:
    """Open a session that trusts one more file of authorities. Raises InvalidCertificateFile.

    `repeat_slow`: whether a request is retried after a response that did not arrive in time.
    """
    return configure(requests.Session(), ca_certs, retries=retries, repeat_slow=repeat_slow, user_agent=user_agent)


def configure(
    session: requests.Session,
    ca_certs: Path | None,
    *,
    retries: int,
    repeat_slow: bool = True,
    methods: frozenset[str] = RETRYABLE,
    user_agent: str | None = None,
) -> requests.Session:
    """Make a session ignore the environment (proxies, .netrc, CA variables) and refuse cookies."""
    policy = (Retry if repeat_slow else RetryUnlessSlow)(
        total=retries,
        other=0,
        backoff_factor=0.5,
        allowed_methods=methods,
        status_forcelist=TEMPORARY,
        raise_on_status=False,
        retry_after_max=10,
    )
    adapter = TrustingAdapter(load_authorities(ca_certs), policy)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if user_agent is not None:
        session.headers["User-Agent"] = f"{user_agent}/{package_version()}"
    return session


def unreachable(url: str, problem: requests.RequestException) -> Unreachable:
    """Describe a failed connection to a URL, without the URL's query."""
    place = url.partition("?")[0]
    if isinstance(problem, requests.exceptions.SSLError):
        return UntrustedCertificate(f"The certificate of {place} is not trusted.")
    if isinstance(problem, requests.exceptions.Timeout):
        return Unreachable(f"{place} did not answer in time.")
    if isinstance(problem, requests.ConnectionError):
        return Unreachable(f"{place} cannot be reached, or the connection was lost.")
    return Unreachable(f"{place} gave no readable response ({type(problem).__name__}).")
