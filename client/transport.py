"""HTTP sessions: trusted certificates, retries, and the exceptions for connection failures."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError
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
#: OpenSSL's codes of certificates that no further authority makes valid, in words
CERTIFICATE_FAULTS = {9: "is not valid yet", 10: "has expired", 62: "is for another host", 64: "is for another host"}
#: the first that caused a failed connection describes it
CONNECTION_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (NameResolutionError, "its host name cannot be resolved"),
    (ConnectionRefusedError, "the connection was refused"),
    (NewConnectionError, "no connection can be made"),
)
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
    causes = list(_causes(problem))
    if isinstance(problem, requests.exceptions.SSLError):
        return _untrusted(place, causes)
    if isinstance(problem, requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema):
        return Unreachable(f"{place} is not a URL: it must begin with https:// or http://.")
    if isinstance(problem, requests.exceptions.ChunkedEncodingError):
        return Unreachable(f"The connection to {place} was lost before the whole response arrived.")
    if isinstance(problem, requests.exceptions.Timeout):
        return Unreachable(f"{place} did not answer in time.")
    if isinstance(problem, requests.ConnectionError):
        return Unreachable(_why_unconnected(place, causes))
    return Unreachable(f"{place} gave no readable response ({type(problem).__name__}).")


def _untrusted(place: str, causes: list[BaseException]) -> Unreachable:
    """Describe a TLS handshake that failed; only an unknown authority can be remedied by naming its file."""
    refused = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if refused is None:
        return Unreachable(f"{place} cannot be reached by TLS; is it an http URL?")
    if refused.verify_code in CERTIFICATE_FAULTS:
        return Unreachable(f"The certificate of {place} {CERTIFICATE_FAULTS[refused.verify_code]}.")
    return UntrustedCertificate(f"The certificate of {place} is not trusted.")


def _why_unconnected(place: str, causes: list[BaseException]) -> str:
    for kind, sentence in CONNECTION_FAULTS:
        if any(isinstance(cause, kind) for cause in causes):
            return f"{place} cannot be reached: {sentence}."
    return f"The connection to {place} was lost before a response arrived."


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Iterate over an exception and what caused it; requests and urllib3 keep causes in three different places."""
    found: list[BaseException] = [problem]
    for one in found:
        nested = (getattr(one, "reason", None), one.__cause__, *one.args)
        found += [cause for cause in nested if isinstance(cause, BaseException) and cause not in found]
    yield from found
