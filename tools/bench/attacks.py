"""Clients that hold an API's connections without using them: how an open port is worn down."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

#: what a client of HTTP/2 that knows its server sends first, with empty settings
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
#: how often a client that trickles sends one byte, in seconds
TRICKLE_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """`headers`: of a caller whom the API knows; `running`: the path of an operation that does not end."""

    url: str
    headers: dict[str, str]
    running: str

    def open(self, text: bytes) -> socket.socket | None:
        """A connection on which this was sent, or None where it was not accepted in time."""
        address = urlsplit(self.url)
        with suppress(OSError):
            connection = socket.create_connection((address.hostname or "", address.port or 80), 2)
            connection.sendall(text)
            return connection
        return None

    def request(self, method: str, path: str, *headers: str) -> bytes:
        known = [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: api", *known, *headers, "", ""]).encode()


def stalled_bodies(target: Target) -> Iterator[bytes]:
    """300 requests whose bodies stop in their middle: to a caller's route, and to the one that takes no token."""
    length = "Content-Length: 60000"
    for number in range(300):
        headers = ("Content-Type: application/json", length)
        if number % 2:
            yield target.request("POST", "/tenants", *headers) + b"{" * 1000
        else:
            yield target.request("POST", "/stripe/events", *headers, "Stripe-Signature: t=1,v1=00") + b"{" * 1000


def idle_connections(target: Target) -> Iterator[bytes]:
    """1,100 connections that send nothing."""
    yield from [b""] * 1100


def http2_streams(target: Target) -> Iterator[bytes]:
    """64 connections that speak HTTP/2 and begin a stream each."""
    yield from [PREFACE + bytes.fromhex("000000010400000001")] * 64


def slow_headers(target: Target) -> Iterator[bytes]:
    """200 requests whose headers do not end."""
    yield from [target.request("GET", "/tenants")[:-2]] * 200


Attack = Callable[[Target], Iterator[bytes]]
ATTACKS: dict[str, Attack] = {
    "300 stalled bodies": stalled_bodies,
    "1,100 idle connections": idle_connections,
    "64 HTTP/2 streams": http2_streams,
    "200 slow headers": slow_headers,
}


@contextmanager
def held(target: Target, attack: Attack) -> Iterator[None]:
    """Hold the attack's connections; those that the server closes are opened again."""
    stop = threading.Event()

    def hold() -> None:
        with ExitStack() as stack:
            while not stop.is_set():
                for text in attack(target):
                    if stop.is_set():
                        break
                    if (connection := target.open(text)) is not None:
                        stack.enter_context(connection)
                stop.wait(4)
                stack.pop_all().close()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    stop.wait(1.5)
    yield
    stop.set()
    thread.join(30)


@contextmanager
def trickling(target: Target) -> Iterator[None]:
    """100 clients that send a byte of their bodies now and then."""
    stop = threading.Event()
    text = target.request("POST", "/tenants", "Content-Type: application/json", "Content-Length: 60000")

    def hold() -> None:
        with ExitStack() as stack:
            while not stop.is_set():
                opened = [one for one in (target.open(text) for _ in range(100)) if one is not None]
                for one in opened:
                    stack.enter_context(one)
                for _ in range(12):
                    for one in opened:
                        with suppress(OSError):
                            one.sendall(b"x")
                    if stop.wait(TRICKLE_SECONDS):
                        break
                stack.pop_all().close()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    stop.wait(1.5)
    yield
    stop.set()
    thread.join(30)


@contextmanager
def waiters(target: Target, seconds: float = 10) -> Iterator[list[int]]:
    """100 requests that want to wait for an operation which does not end. Gives their statuses once it is over."""
    statuses: list[int] = []

    def wait() -> None:
        with suppress(requests.RequestException):
            url = f"{target.url}{target.running}?wait={seconds}"
            statuses.append(requests.get(url, headers=target.headers, timeout=60).status_code)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(100)]
    for thread in threads:
        thread.start()
    threading.Event().wait(1.0)
    yield statuses
    for thread in threads:
        thread.join(60)
