"""The ASGI application of the server: receive the whole request, then run the WSGI application in a thread.

A slow or idle client uses a limited amount of memory and never a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Protocol
from wsgiref.types import WSGIApplication

import structlog

from serving.application import Response, call
from serving.body import Body, BodyMemory, BrokenBody, LateBody, NoMemory, Receive, discard
from serving.parent import end_with_parent
from serving.request_head import RequestHead
from serving.threads import BoundedPool, Busy

log = structlog.get_logger(__name__)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

#: requests that may wait for a thread
QUEUE = 512
#: one thread for requests with `?wait=` is added per this many request threads
THREADS_PER_WAITER = 4
#: time limit for sending one piece of a streamed response, in seconds
PIECE_SECONDS = 20.0


class Refusal(StrEnum):
    """The reason why a request does not reach the application."""

    BROKEN = "the body ends early, or its chunks are malformed"
    LATE = "the body did not arrive in time"
    FULL = "too many requests are in progress"


class ServerPolicy(Protocol):
    """The application's rules for requests before they reach it. Header names are in lower case."""

    #: path of the liveness check, which has its own thread, so that a busy process is not restarted
    liveness: str

    def body_limit(self, path: str) -> int:
        """Return the size limit of a body for this path, in bytes."""

    def is_refused_by_headers(self, path: str, headers: Mapping[str, str]) -> bool:
        """Return whether the application refuses the request because of its headers alone."""

    def refuse(self, head: RequestHead, refusal: Refusal) -> Response:
        """Return the response to a request that does not reach the application."""


class Bridge:
    def __init__(self, app: WSGIApplication, threads: int, policy: ServerPolicy) -> None:
        self._app = app
        self._policy = policy
        self._requests = BoundedPool("request", threads, QUEUE)
        self._waiting = BoundedPool("waiting", max(1, threads // THREADS_PER_WAITER), 0)
        self._liveness = BoundedPool("liveness", 1, QUEUE)
        self._memory = BodyMemory()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._handle_lifespan(receive, send)
            return
        head, body = RequestHead.of(scope), Body(self._memory)
        try:
            response = await self._respond(head, body, receive)
        finally:
            body.release()
        await _send(send, response)

    async def _respond(self, head: RequestHead, body: Body, receive: Receive) -> Response:
        try:
            await self._receive(head, body, receive)
            return await self._run(head, body)
        except BrokenBody:
            return self._refusal(head, Refusal.BROKEN)
        except LateBody:
            return self._refusal(head, Refusal.LATE)
        except (NoMemory, Busy):
            return self._refusal(head, Refusal.FULL)

    async def _run(self, head: RequestHead, body: Body) -> Response:
        """Run the application in the pool for this kind of request. Raises Busy."""
        environ = head.environ(body.content)
        if head.path == self._policy.liveness:
            return await call(self._liveness, self._app, environ)
        if "wait=" in head.query and self._waiting.has_capacity:
            return await call(self._waiting, self._app, environ)
        return await call(self._requests, self._app, environ)

    async def _receive(self, head: RequestHead, body: Body, receive: Receive) -> None:
        """Receive the body if the application will read it. Raises LateBody, NoMemory, BrokenBody."""
        if not head.has_body:
            return
        if not self._policy.is_refused_by_headers(head.path, head.headers):
            await body.read(receive, self._policy.body_limit(head.path))
        elif "expect" not in head.headers:
            await discard(receive)

    def _refusal(self, head: RequestHead, refusal: Refusal) -> Response:
        """Return the refusal; it closes the connection, because the client may still be sending the body."""
        response = self._policy.refuse(head, refusal)
        return replace(response, headers=[*response.headers, (b"connection", b"close")])

    async def _handle_lifespan(self, receive: Receive, send: Send) -> None:
        """Handle the server's start and stop (ASGI's lifespan protocol)."""
        while True:
            notice = (await receive())["type"]
            if notice == "lifespan.startup":
                end_with_parent()
            if notice == "lifespan.shutdown":
                for pool in (self._requests, self._waiting, self._liveness):
                    pool.close()
            await send({"type": f"{notice}.complete"})
            if notice == "lifespan.shutdown":
                return


async def _send(send: Send, response: Response) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    more = response.rest is not None
    await send({"type": "http.response.body", "body": response.body, "more_body": more})
    if response.rest is None:
        return
    try:
        async for piece in response.rest:
            async with asyncio.timeout(PIECE_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        log.info("response.client_too_slow")
        raise
    await send({"type": "http.response.body", "body": b"", "more_body": False})
