"""What every stand-in shares: a loopback web server, a request journal, faults and a control path (`/__sim/`)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from sandbox.stand_ins.faults import COMMON_KINDS, Fault, FaultPlan

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROXY_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
JOURNAL_LENGTH = 20_000


class StandIn:
    """A product's stand-in. A subclass adds routes to `self.app`, and overrides `snapshot`, `reset` and `controls`.

    All handlers run on one event loop, so between two awaits a handler owns the state: commits are atomic.
    """

    product = "product"
    #: fault kinds that only this product knows
    own_faults: frozenset[str] = frozenset()
    #: what it listens on
    host = "127.0.0.1"

    def __init__(self, *, seed: int = 0) -> None:
        self.faults = FaultPlan(COMMON_KINDS | self.own_faults, seed)
        self.journal: deque[dict[str, Any]] = deque(maxlen=JOURNAL_LENGTH)
        self.url = ""
        self.app = web.Application(middlewares=[self._journal_and_faults], client_max_size=64 * 2**20)
        self.app.router.add_route("*", "/__sim/{name:.*}", self._control)

    # -- what a product gives

    def snapshot(self) -> dict[str, Any]:
        """All state worth asserting on, as JSON."""
        return {}

    def reset(self) -> None:
        """Back to the state of a fresh server."""

    def controls(self) -> dict[str, Callable[..., Any]]:
        """Named actions of the control path: `POST /__sim/call/<name>` with a JSON object of arguments."""
        return {}

    # -- faults and journal

    @web.middleware
    async def _journal_and_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/__sim/"):
            return await handler(request)
        body = (await request.read()).decode("utf-8", "replace")
        entry = {
            "at": time.time(),
            "method": request.method,
            "path": request.path_qs,
            "body": body,
            "request_id": request.headers.get("X-Request-Id"),
            "status": None,
        }
        self.journal.append(entry)
        fault = self.faults.strike(COMMON_KINDS, request.method, request.path_qs, body)
        if fault is not None:
            entry["fault"] = fault.kind
        response = await self._answer(request, handler, fault)
        entry["status"] = response.status
        return response

    async def _answer(self, request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
        if fault is None:
            return await _handled(handler, request)
        if fault.kind in _INSTEAD:
            return await _INSTEAD[fault.kind](request, fault)
        if fault.kind == "latency":
            await asyncio.sleep(fault.delay or 0.2)
            return await _handled(handler, request)
        response = await _handled(handler, request)
        return await _AFTER[fault.kind](request, response, fault)

    # -- control path

    async def _control(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        try:
            return web.json_response(await self._controlled(request, name))
        except (ValueError, ValidationError, TypeError, KeyError) as problem:
            return web.json_response({"error": str(problem)}, status=400)

    async def _controlled(self, request: web.Request, name: str) -> Any:
        if name.startswith("call/"):
            arguments = await request.json() if request.can_read_body else {}
            result = self.controls()[name.removeprefix("call/")](**arguments)
            return await result if asyncio.iscoroutine(result) else result
        actions: dict[str, Callable[[web.Request], Awaitable[Any]]] = {
            "state": self._state,
            "journal": self._show_journal,
            "faults": self._order_faults,
            "reset": self._start_over,
        }
        if name not in actions:
            raise ValueError(f"no control named {name!r}; there are {', '.join(actions)}, call/<name>")
        return await actions[name](request)

    async def _state(self, request: web.Request) -> Any:
        return self.snapshot()

    async def _show_journal(self, request: web.Request) -> Any:
        """What there is; DELETE takes it, so that the next one asking gets what has come since."""
        shown = list(self.journal)
        if request.method == "DELETE":
            self.journal.clear()
        return shown

    async def _order_faults(self, request: web.Request) -> Any:
        if request.method == "DELETE":
            self.faults.clear()
        if request.method == "POST":
            given = await request.json()
            for fault in [Fault.model_validate(one) for one in (given if isinstance(given, list) else [given])]:
                self.faults.add(fault)
        return self.faults.list()

    async def _start_over(self, request: web.Request) -> Any:
        self.faults.clear()
        self.journal.clear()
        self.reset()
        return {}

    # -- running

    async def serve(self, port: int = 0) -> web.AppRunner:
        """Listen on `self.host`; `self.url` then holds the origin, without a slash at the end."""
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, self.host, port, backlog=1024).start()
        self.url = f"http://{self.host}:{runner.addresses[0][1]}"
        return runner

    @contextlib.contextmanager
    def running(self, port: int = 0) -> Iterator[StandIn]:
        """Run on a thread of this process (for tests) until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name=f"stand-in {self.product}", daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self.serve(port), loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


async def _handled(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=599)


def _page(fault: Fault) -> web.StreamResponse:
    body = fault.body if fault.body is not None else PROXY_PAGE.format(status=fault.status)
    return web.Response(status=fault.status, text=body, content_type=fault.content_type, headers=fault.headers)


async def _hang(request: web.Request, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.delay or 3600)
    return _cut(request)


async def _reset(request: web.Request, fault: Fault) -> web.StreamResponse:
    return _cut(request)


async def _status(request: web.Request, fault: Fault) -> web.StreamResponse:
    return _page(fault)


async def _rate_limited(request: web.Request, fault: Fault) -> web.StreamResponse:
    headers = {"Retry-After": str(fault.retry_after)}
    return web.json_response({"detail": "Too many requests"}, status=429, headers=headers)


async def _lost(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    return _cut(request)


async def _other_status(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    return _page(fault)


async def _wrong_body(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    return web.Response(text=fault.body or "<html>surprise</html>", content_type="application/json")


async def _empty_body(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    return web.Response(content_type="application/json")


async def _drip(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    whole = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    slow = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
    slow.content_length = len(whole)
    await slow.prepare(request)
    for byte in whole:
        await slow.write(bytes([byte]))
        await asyncio.sleep(fault.delay or 1.0)
    await slow.write_eof()
    return slow


_INSTEAD = {"hang": _hang, "reset": _reset, "status": _status, "rate_limited": _rate_limited}
_AFTER = {
    "lost": _lost,
    "applied_then_status": _other_status,
    "wrong_body": _wrong_body,
    "empty_body": _empty_body,
    "drip": _drip,
}
