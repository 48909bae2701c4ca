"""Read the TLS certificate of an address."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

#: timeout of one read, in seconds
READ_TIMEOUT = 5.0


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
