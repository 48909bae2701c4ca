"""HTTP for both doors: a requests adapter whose every socket wait ends at the call's deadline.

`requests` timeouts bound one socket operation, so a server that sends a byte a second is never timed out. Here the
socket is wrapped: before each receive and each send its timeout is set to what is left of the call.
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

#: more interim answers to one request than this are a fault
MOST_INTERIM = 20
SWITCHING_PROTOCOLS = 101

_call_ends_at: ContextVar[float] = ContextVar("call_ends_at")


@contextmanager
def call_within(seconds: float) -> Iterator[None]:
    """Every socket wait in this block ends with it."""
    token = _call_ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _call_ends_at.reset(token)


def _left() -> float:
    left = _call_ends_at.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call's time is up")
    return left


class _DeadlineReader(io.RawIOBase):
    """The receiving side of a socket, as http.client reads it.

    It holds a file of the socket's own: when an answer is the connection's last, http.client closes the socket before
    the body is read, and only such a file keeps it open until then.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _DeadlineSocket:
    """A socket that asks for the time left before it waits. All else is the real socket's."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str = "rb", *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock), 65536)

    def sendall(self, data: Any, *flags: Any) -> None:
        self._sock.settimeout(_left())
        self._sock.sendall(data, *flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _FinalResponse(http.client.HTTPResponse):
    """A response that follows interim ones, such as 103 Early Hints (RFC 9110, section 15.2), which are skipped."""

    def begin(self) -> None:
        for _ in range(MOST_INTERIM):
            super().begin()
            if not 100 <= self.status < 200 or self.status == SWITCHING_PROTOCOLS:
                return
            # http.client itself skips 100 Continue only; without headers it reads the next one
            self.headers = None  # type: ignore[assignment]
        raise http.client.HTTPException("the server sent interim answers only")


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
def trust_of(ca_file: str | None) -> ssl.SSLContext:
    """The system's authorities and those of a PEM file. Reading them takes 30 ms, so there is one for the process, and
    nobody may change anything of it."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def deadline_pools(trust: ssl.SSLContext, pool_size: int, **options: Any) -> PoolManager:
    """urllib3's pools, safe to share between threads, for requests sent inside `call_within`."""
    pools = PoolManager(maxsize=pool_size, ssl_context=trust, **options)
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools


class DeadlineAdapter(HTTPAdapter):
    """Mount on a session and send inside `call_within`. `trust`: whom TLS connections believe."""

    def __init__(self, trust: ssl.SSLContext, pool_size: int) -> None:
        self._context = trust
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = deadline_pools(self._context, maxsize, num_pools=connections, block=block, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says whom to trust; requests' own bundle would replace it."""
        conn.cert_reqs = "CERT_REQUIRED"

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {key: value for key, value in pool.items() if key not in ("ca_certs", "ca_cert_dir")}
