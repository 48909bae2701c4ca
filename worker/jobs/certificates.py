"""Export the expiry of the integrations' TLS certificates as a metric, so that an alert comes weeks before."""

from __future__ import annotations

import ssl
import threading
import time

import structlog
from prometheus_client import Gauge

from shared.config.settings import Settings
from worker.http.certificate import certificate_end

log = structlog.get_logger(__name__)

#: interval between reads of each certificate, in seconds
INTERVAL = 6 * 3600.0
EXPIRY = Gauge(
    "dezky_certificate_expiry_timestamp_seconds",
    "End of the certificate of a product's address",
    ["integration"],
    multiprocess_mode="livemostrecent",
)


class CertificateJob:
    """Reads certificates on its own thread, so that an integration that hangs delays no other job."""

    def __init__(self, settings: Settings) -> None:
        self._urls = settings.integration_urls
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
            except (OSError, ssl.SSLError, UnicodeError) as problem:
                log.warning("certificate.not_read", integration=name, problem=str(problem))
            else:
                if end is not None:
                    EXPIRY.labels(name).set(end)
