"""The HTTP session: whom TLS believes, what is sent again by itself, and sentences for what goes wrong on the way."""

from __future__ import annotations

import ssl
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from platformctl.failures import Unreachable

CONNECT_SECONDS = 10.0
#: a GET changes nothing and our POSTs carry an Idempotency-Key; a request that never left is always sent again
SAFE_TO_REPEAT = frozenset({"GET", "POST"})
TROUBLES = frozenset({502, 503, 504})


def program_version() -> str:
    try:
        return version("dezky-platform-api")
    except PackageNotFoundError:
        return "unknown"


class TrustingAdapter(HTTPAdapter):
    """Believes the system's authorities, those requests brings along, and those of one more file."""

    def __init__(self, context: ssl.SSLContext, retries: Retry) -> None:
        self._context = context
        super().__init__(max_retries=retries)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)


@cache
def trust_of(ca_certs: Path | None) -> ssl.SSLContext:
    """The system's authorities and those of a PEM file; reading them takes 30 ms. Raises SSLError, OSError."""
    context = ssl.create_default_context()
    if ca_certs is not None:
        context.load_verify_locations(cafile=ca_certs)
    return context


def open_http(ca_certs: Path | None) -> requests.Session:
    """A session that follows no redirect by itself. Raises click.UsageError for a file that holds no certificates."""
    try:
        context = trust_of(ca_certs)
    except (ssl.SSLError, OSError):
        raise click.UsageError(f"{ca_certs} (--ca-certs, PLATFORM_CA_CERTS) holds no certificates.") from None
    retries = Retry(
        total=3,
        other=0,
        backoff_factor=0.5,
        allowed_methods=SAFE_TO_REPEAT,
        status_forcelist=TROUBLES,
        raise_on_status=False,
        retry_after_max=10,
    )
    session = requests.Session()
    session.headers["User-Agent"] = f"platformctl/{program_version()}"
    adapter = TrustingAdapter(context, retries)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def unreachable(url: str, problem: requests.RequestException) -> Unreachable:
    """What happened on the way to a URL, told without the URL's query."""
    place = url.partition("?")[0]
    if isinstance(problem, requests.exceptions.SSLError):
        advice = "If it is signed by a private authority, name that authority's file with --ca-certs."
        return Unreachable(f"The certificate of {place} is not trusted.", advice)
    if isinstance(problem, requests.exceptions.Timeout):
        return Unreachable(f"{place} did not answer in time.")
    if isinstance(problem, requests.ConnectionError):
        return Unreachable(f"{place} cannot be reached, or the connection was lost.")
    return Unreachable(f"{place} gave no readable answer ({type(problem).__name__}).")
