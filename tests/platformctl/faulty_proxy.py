"""A proxy before the API that fails requests on demand."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class FaultyProxy(ThreadingHTTPServer):
    """A proxy before the API. `faults`: what to do with the next requests; without one they pass."""

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream
        self.faults: list[Callable[[Handler], None]] = []
        self.seen: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection."""


class Handler(BaseHTTPRequestHandler):
    server: FaultyProxy

    def handle_one(self) -> None:
        server = self.server
        server.seen.append((self.command, self.path, self.headers.get("Idempotency-Key")))
        if server.faults:
            server.faults.pop(0)(self)
            return
        passes(self)

    do_GET = do_POST = do_DELETE = handle_one  # noqa: N815

    def passed_on(self) -> requests.Response:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        return requests.request(self.command, self.server.upstream + self.path, headers=headers, data=body, timeout=20)

    def relay(self, answer: requests.Response) -> None:
        self.answer(answer.status_code, answer.content, **{"Content-Type": answer.headers["Content-Type"]})

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def lost(handler: Handler) -> None:
    """Carry the request out and lose the response."""
    handler.passed_on()
    handler.connection.close()


def passes(handler: Handler) -> None:
    handler.relay(handler.passed_on())


def gone(handler: Handler) -> None:
    """Close the connection without carrying the request out."""
    handler.connection.close()


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(status, body, **headers)
