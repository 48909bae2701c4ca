"""The ASGI application that the server runs: it receives each request whole, then gives it to the WSGI application.

A client that stalls, trickles or idles takes memory within bounds, and never a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from wsgiref.types import WSGIApplication

import structlog

from api.http.body_limits import body_limit, is_refused_by_headers
from api.http.problem_details import Problem, problem_text
from api.http.request_log import RequestIds
from api.http.response_headers import BASIC_HEADERS
from api.server.application import Answer, call
from api.server.body import Body, BodyMemory, BrokenBody, LateBody, NoMemory, Receive, discard
from api.server.request_head import RequestHead
from api.server.threads import BoundedPool, Busy

log = structlog.get_logger(__name__)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

LIVENESS = "/health/live"
#: requests that may wait for a thread
QUEUE = 512
#: of every so many request threads, one more is kept for those who wait for an operation's end
THREADS_PER_WAITER = 4
#: how long the client of a streamed answer may take for one piece, in seconds
PIECE_SECONDS = 20.0

BROKEN = Problem(400, "bad_request", "The body ends early, or its chunks cannot be read.")
LATE = Problem(408, "request_timeout", "The body did not arrive in time; send it at once.", retryable=True)
FULL = Problem(
    503,
    "overloaded",
    "Too many requests are under way; try again in a moment.",
    retryable=True,
    headers={"Retry-After": "1"},
)


class Bridge:
    def __init__(self, app: WSGIApplication, threads: int) -> None:
        self._app = app
        self._requests = BoundedPool("request", threads, QUEUE)
        self._waiting = BoundedPool("waiting", max(1, threads // THREADS_PER_WAITER), 0)
        #: of its own, so that a process whose threads are all taken is not thought dead
        self._liveness = BoundedPool("liveness", 1, QUEUE)
        self._memory = BodyMemory()
        self._ids = RequestIds()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        head, body = RequestHead.of(scope), Body(self._memory)
        try:
            answer = await self._answer(head, body, receive)
        finally:
            body.release()
        await _send(send, answer)

    async def _answer(self, head: RequestHead, body: Body, receive: Receive) -> Answer:
        try:
            await _receive(head, body, receive)
            return await self._run(head, body)
        except BrokenBody:
            return self._refusal(head, BROKEN)
        except LateBody:
            return self._refusal(head, LATE)
        except (NoMemory, Busy):
            return self._refusal(head, FULL)

    async def _run(self, head: RequestHead, body: Body) -> Answer:
        """Raises Busy."""
        environ = head.environ(body.content)
        if head.path == LIVENESS:
            return await call(self._liveness, self._app, environ)
        if "wait=" in head.query and self._waiting.has_room:
            return await call(self._waiting, self._app, environ)
        return await call(self._requests, self._app, environ)

    def _refusal(self, head: RequestHead, problem: Problem) -> Answer:
        """A problem that the application has no part in. The connection is closed: its body may still be coming."""
        request_id = self._ids.of(head.headers.get("x-request-id"))
        log.info("request.refused", status=problem.status, code=problem.code, request_id=request_id)
        text = problem_text(problem, head.path, request_id)
        headers = {
            **BASIC_HEADERS,
            **problem.headers,
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(text)),
            "X-Request-Id": request_id,
            "Connection": "close",
        }
        found = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return Answer(problem.status, found, text)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Answer the server's notices of its start and its stop."""
        while True:
            notice = (await receive())["type"]
            if notice == "lifespan.shutdown":
                for pool in (self._requests, self._waiting, self._liveness):
                    pool.close()
            await send({"type": f"{notice}.complete"})
            if notice == "lifespan.shutdown":
                return


async def _receive(head: RequestHead, body: Body, receive: Receive) -> None:
    """Receive what the application will read. Raises LateBody, NoMemory, BrokenBody."""
    if not head.has_body:
        return
    if not is_refused_by_headers(head.path, head.headers):
        await body.read(receive, body_limit(head.path))
    elif "expect" not in head.headers:
        await discard(receive)


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    more = answer.rest is not None
    await send({"type": "http.response.body", "body": answer.body, "more_body": more})
    if answer.rest is None:
        return
    try:
        async for piece in answer.rest:
            async with asyncio.timeout(PIECE_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        log.info("response.client_too_slow")
        raise
    await send({"type": "http.response.body", "body": b"", "more_body": False})
