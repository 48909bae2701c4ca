"""A webhook receiver for tests: keeps requests and answers as the test configures."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

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
