"""HTTP adapter for `requests` with a deadline for the whole call.

The timeouts of `requests` limit one socket operation, so a server that sends one byte per second never times out. This
adapter wraps the socket and sets its timeout to the remaining time of the call before each send and receive.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

#: interim responses (1xx) that one request may receive
MAX_INTERIM_RESPONSES = 20
SWITCHING_PROTOCOLS = 101

_deadline: ContextVar[float] = ContextVar("call_ends_at")


@contextmanager
def call_deadline(seconds: float) -> Iterator[None]:
    """Limit all socket operations in this block to the given time."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def _seconds_left() -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the call has passed")
    return left


class _DeadlineReader(io.RawIOBase):
    """The receiving side of a socket, as http.client reads it.

    It keeps a file object of the socket, because http.client closes the socket of a last response before the body is
    read, and the open file object delays that close.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_seconds_left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _DeadlineSocket:
    """A socket that limits each wait to the remaining time. Everything else is delegated to the real socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str = "rb", *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock), 65536)

    def sendall(self, data: Any, *flags: Any) -> None:
        self._sock.settimeout(_seconds_left())
        self._sock.sendall(data, *flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _FinalResponse(http.client.HTTPResponse):
    """A response that skips interim ones before it, such as 103 Early Hints (RFC 9110, section 15.2)."""

    def begin(self) -> None:
        for _ in range(MAX_INTERIM_RESPONSES):
            super().begin()
            if not 100 <= self.status < 200 or self.status == SWITCHING_PROTOCOLS:
                return
            # http.client itself skips only 100 Continue; it reads the next response when there are no headers
            self.headers = None  # type: ignore[assignment]
        raise http.client.HTTPException("the server sent only interim responses")


class _Connection(HTTPConnection):
    response_class = _FinalResponse

    def connect(self) -> None:
        super().connect()
        self.sock = _DeadlineSocket(self.sock)


class _TlsConnection(HTTPSConnection):
    response_class = _FinalResponse

    def connect(self) -> None:
        super().connect()
        self.sock = _DeadlineSocket(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a TLS context with the system's certificate authorities and those of a PEM file.

    Loading them takes 30 ms, so the process shares one context per file; callers must not change it.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def deadline_pools(trust: ssl.SSLContext, pool_size: int, **options: Any) -> PoolManager:
    """Return urllib3 pools for requests inside `call_deadline`. Safe to share between threads."""
    pools = PoolManager(maxsize=pool_size, ssl_context=trust, **options)
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools


class DeadlineAdapter(HTTPAdapter):
    """Adapter to mount on a session; send requests inside `call_deadline`. `trust`: the TLS context."""

    def __init__(self, trust: ssl.SSLContext, pool_size: int) -> None:
        self._context = trust
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = deadline_pools(self._context, maxsize, num_pools=connections, block=block, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Keep the context's authorities, which `requests` would replace with its own bundle."""
        conn.cert_reqs = "CERT_REQUIRED"

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {key: value for key, value in pool.items() if key not in ("ca_certs", "ca_cert_dir")}
