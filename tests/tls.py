"""Certificates and TLS servers for tests."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class TlsHost:
    """A raw TLS server. `asked_for`: the names that clients asked for by SNI; `requests`: the first bytes of each."""

    port: int
    asked_for: list[str | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Make a self-signed certificate for a host name or address, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    is_address = host.replace(".", "").isdigit()
    subject = x509.IPAddress(ip_address(host)) if is_address else x509.DNSName(host)
    now, day = datetime.now(UTC), timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([subject]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    cert_file, key_file = folder / f"{host}.pem", folder / f"{host}.key"
    cert_file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    key_file.write_bytes(private)
    return cert_file, key_file


def _whole_request(peer: socket.socket) -> bytes:
    """Read the body too: closing with unread data would reset the connection before the response."""
    request = b""
    while True:
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            return request
        more = peer.recv(65536)
        if not more:
            return request
        request += more


@contextmanager
def tls_host(cert_file: Path, key_file: Path, text: bytes = b"") -> Iterator[TlsHost]:
    """Answer 200 and a text to each request, one per connection, until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    listener = socket.create_server(("127.0.0.1", 0))
    host = TlsHost(listener.getsockname()[1])
    context.sni_callback = lambda _, name, __: host.asked_for.append(name)

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(peer, server_side=True) as tls:
                    host.requests.append(_whole_request(tls))
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        # a plain close would not wake the thread in accept
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
