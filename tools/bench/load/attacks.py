"""Attacks on an open port: clients that hold connections, requests and waits. Loopback only."""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import requests

#: first bytes of an HTTP/2 client with prior knowledge: the preface, and empty settings
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
#: the frame that opens a stream without ending it
HEADERS_FRAME = bytes.fromhex("000000010400000001")
#: how often a trickling client sends a byte, and closed connections are opened again, in seconds
TRICKLE_SECONDS = 0.5
#: seconds until an attack has started
BEGIN_SECONDS = 1.5
WAIT_SECONDS = 10


class Stop(Protocol):
    """The event that ends an attack, of threads or of processes."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float, /) -> bool: ...


@dataclass(frozen=True)
class Target:
    """`headers`: of an authenticated caller; `running`: the path of an operation that does not end."""

    url: str
    headers: dict[str, str]
    running: str

    def request(self, method: str, path: str, *headers: str) -> bytes:
        """Return the head of a request of that caller."""
        known = [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: api", *known, *headers, "", ""]).encode()


Attack = Callable[[Target, Stop], None]


def stalled_bodies(target: Target, stop: Stop) -> None:
    """Send 300 requests with incomplete bodies: to a route with a token, and to the one without."""
    headers = ("Content-Type: application/json", "Content-Length: 60000")
    body = b"{" * 1000
    known = target.request("POST", "/tenants", *headers) + body
    signed = target.request("POST", "/stripe/events", *headers, "Stripe-Signature: t=1,v1=00") + body
    _hold(target, [known, signed] * 150, stop)


def idle_connections(target: Target, stop: Stop) -> None:
    """Open 1,100 connections that send nothing."""
    _hold(target, [b""] * 1100, stop)


def http2_streams(target: Target, stop: Stop) -> None:
    """Open 64 HTTP/2 connections with a stream each."""
    _hold(target, [PREFACE + HEADERS_FRAME] * 64, stop)


def slow_headers(target: Target, stop: Stop) -> None:
    """Send 200 requests whose headers do not end."""
    _hold(target, [target.request("GET", "/tenants")[:-2]] * 200, stop)


def trickling_bodies(target: Target, stop: Stop) -> None:
    """Send 100 requests whose bodies come byte by byte."""
    head = target.request("POST", "/tenants", "Content-Type: application/json", "Content-Length: 60000")
    _hold(target, [head] * 100, stop, trickle=b"x")


def waiters(target: Target, stop: Stop) -> None:
    """Let 100 clients wait for an operation that does not end, again and again."""
    with ThreadPoolExecutor(100) as pool:
        while not stop.is_set():
            list(pool.map(lambda _: wait(target), range(100)))
            stop.wait(1)


ATTACKS: dict[str, Attack] = {
    "300 stalled bodies": stalled_bodies,
    "100 trickling bodies": trickling_bodies,
    "1,100 idle connections": idle_connections,
    "64 HTTP/2 streams": http2_streams,
    "200 slow headers": slow_headers,
    "100 waiters": waiters,
}


def wait(target: Target, seconds: float = WAIT_SECONDS) -> int:
    """Wait for the operation as a client; return the status, or 0 without an answer."""
    with suppress(requests.RequestException):
        url = f"{target.url}{target.running}?wait={seconds}"
        return requests.get(url, headers=target.headers, timeout=60).status_code
    return 0


@contextmanager
def held(target: Target, attack: Attack) -> Iterator[None]:
    """Attack from another process until the block ends."""
    processes = multiprocessing.get_context("spawn")
    stop = processes.Event()
    process = processes.Process(target=attack, args=(target, stop), daemon=True)
    process.start()
    threading.Event().wait(BEGIN_SECONDS)
    try:
        yield
    finally:
        stop.set()
        process.join(WAIT_SECONDS * 2)
        process.kill()


def _hold(target: Target, texts: Sequence[bytes], stop: Stop, trickle: bytes = b"") -> None:
    """Hold a connection for each text; open one again when it is answered or closed."""
    address = urlsplit(target.url)
    where = (address.hostname or "", address.port or 80)
    held_ones = [_open(where, text) for text in texts]
    while not stop.wait(TRICKLE_SECONDS):
        for index, one in enumerate(held_ones):
            if _is_over(one):
                one.close()
                held_ones[index] = _open(where, texts[index])
            elif trickle:
                with suppress(OSError):
                    one.send(trickle)
    for one in held_ones:
        one.close()


def _open(where: tuple[str, int], text: bytes) -> socket.socket:
    """Open a connection and send a text, as far as the server accepts it."""
    connection = socket.socket()
    connection.settimeout(2)
    with suppress(OSError):
        connection.connect(where)
        connection.sendall(text)
    connection.setblocking(False)
    return connection


def _is_over(connection: socket.socket) -> bool:
    """Return whether the server answered or closed the connection, or never accepted it."""
    try:
        connection.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
