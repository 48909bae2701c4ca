"""A webhook receiver for tests: keeps requests, answers as the test configures, over TLS for any host name."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.simulators.server import Simulator


class Receiver(Simulator):
    """Answers `status` with `headers` and `text`; `seen` holds the headers and the body of each event."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.text = 204, ""
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.app.router.add_get("/elsewhere", self._take)
        self.app.router.add_post("/endless", self._endless)
        self.app.router.add_post("/{rest:.*}", self._take)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers, text=self.text)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@dataclass
class TlsHost:
    """A raw TLS server. `asked_for`: the names that clients asked for by SNI; `requests`: the first bytes of each."""

    port: int
    asked_for: list[str | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate for a host and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{host}.pem", folder / f"{host}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
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
def tls_host(cert_file: Path, key_file: Path) -> Iterator[TlsHost]:
    """Answer 200 to each request, one per connection, until the block ends."""
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
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
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


@contextmanager
def slow_host() -> Iterator[int]:
    """Return the port of a server that slowly sends an endless header."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not stop.wait(0.05):
                peer.sendall(b"x")

    def serve_until_dropped() -> None:
        with suppress(OSError):
            serve()

    thread = threading.Thread(target=serve_until_dropped, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.close()
        thread.join(10)
