"""Export the expiry of the integrations' TLS certificates as a metric, so that an alert comes weeks before."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

import structlog
from prometheus_client import Gauge

from shared.config.settings import Settings

log = structlog.get_logger(__name__)

#: interval between reads of each certificate, and the timeout of one read, in seconds
INTERVAL, READ_TIMEOUT = 6 * 3600.0, 5.0
EXPIRY = Gauge(
    "dezky_certificate_expiry_timestamp_seconds",
    "End of the certificate of a product's address",
    ["integration"],
    multiprocess_mode="livemostrecent",
)


def certificate_end(url: str, ca_file: str | None) -> float | None:
    """Return when the certificate of an address expires, None for one without TLS. Raises OSError, ssl.SSLError."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    with (
        socket.create_connection((parts.hostname, parts.port or 443), READ_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
    ):
        found = secured.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(found["notAfter"]))


class CertificateJob:
    """Reads certificates on its own thread, so that an integration that hangs delays no other job."""

    def __init__(self, settings: Settings) -> None:
        self._urls = {name: url for name, url in product_urls(settings).items() if url}
        self._ca_file = settings.extra_ca_certs
        self._next = 0.0

    def run_once(self) -> int:
        """Read all certificates when the interval is over. Starts no operation: returns 0."""
        if self._urls and time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            threading.Thread(target=self.read, name="certificates", daemon=True).start()
        return 0

    def read(self) -> None:
        """Read the certificate of every integration's address. One that cannot be read keeps its last value."""
        for name, url in self._urls.items():
            try:
                end = certificate_end(url, self._ca_file)
            except (OSError, ssl.SSLError) as problem:
                log.warning("certificate.not_read", integration=name, problem=str(problem))
            else:
                if end is not None:
                    EXPIRY.labels(name).set(end)


def product_urls(settings: Settings) -> dict[str, str | None]:
    """Return integration to the address of its API."""
    urls = {
        "authentik": settings.authentik_api_url,
        "stalwart": settings.stalwart_api_url,
        "ocis": settings.ocis_api_url,
    }
    return {name: str(url) if url else None for name, url in urls.items()}
