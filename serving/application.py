"""Call a WSGI application in a thread pool, and return its response as a whole or as a stream."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

from serving.threads import BoundedPool

Headers = list[tuple[bytes, bytes]]
_END = b""


@dataclass(frozen=True)
class Response:
    """A response. `body`: all of it, or the first piece of a stream; `rest`: the stream's other pieces."""

    status: int
    headers: Headers
    body: bytes
    rest: AsyncIterator[bytes] | None = None


class _Call:
    """One call of the application: its status, its headers and its body.

    Different threads may produce the pieces of the body, one after another, in the same contextvars context.
    """

    def __init__(self, app: WSGIApplication, environ: dict[str, Any]) -> None:
        self._app, self._environ = app, environ
        self._context = contextvars.Context()
        self._pieces: Iterator[bytes] = iter(())
        self._close: Callable[[], None] = lambda: None
        self.status, self.headers = 500, Headers()

    def start(self) -> bytes:
        """Run the application and return the whole body, or the first piece of a stream."""
        return self._context.run(self._start)

    def next(self) -> bytes:
        """Return the next piece; empty at the end."""
        return self._context.run(self._next)

    def close(self) -> None:
        self._context.run(self._close)

    @property
    def is_streamed(self) -> bool:
        return not any(name == b"content-length" for name, _ in self.headers)

    def _start(self) -> bytes:
        found: Iterable[bytes] = self._app(self._environ, self._take_head)
        self._pieces, self._close = iter(found), getattr(found, "close", self._close)
        try:
            first = self._next()
            return first if self.is_streamed else first + b"".join(self._pieces)
        except BaseException:
            self._close()
            raise

    def _next(self) -> bytes:
        return next((piece for piece in self._pieces if piece), _END)

    def _take_head(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[..., None]:
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return _refuse_write


def _refuse_write(_: bytes) -> None:
    raise TypeError("the application must return its body; WSGI's write() is not supported")


async def call(pool: BoundedPool, app: WSGIApplication, environ: dict[str, Any]) -> Response:
    """Run the application in the pool. Raises Busy, and the application's exceptions."""
    made = _Call(app, environ)
    first = await pool.run(made.start)
    if made.is_streamed and first:
        return Response(made.status, made.headers, first, _rest(pool, made))
    made.close()
    return Response(made.status, made.headers, first)


async def _rest(pool: BoundedPool, made: _Call) -> AsyncIterator[bytes]:
    try:
        while piece := await pool.run(made.next):
            yield piece
    finally:
        made.close()
