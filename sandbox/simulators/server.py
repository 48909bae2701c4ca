"""The base of all simulators: a loopback web server with a request log, fault injection and controls (`/__sim/`)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from sandbox.simulators.fault_responses import AFTER, INSTEAD
from sandbox.simulators.faults import COMMON_KINDS, Fault, FaultPlan
from sandbox.simulators.state_faults import STATE_KINDS, Container, StateFaults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JOURNAL_LENGTH = 20_000


class Journal(deque[dict[str, Any]]):
    """The latest requests. Iteration uses a copy, because the server's thread may append at the same time."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(tuple(super().__iter__()))


class Simulator:
    """The simulator of a product.

    All handlers run on one event loop, so that changes between two awaits are atomic.
    A subclass adds routes to `self.app`, and overrides `current_state`, `reset`, `controls`.
    """

    product = "product"
    #: fault kinds that only this product knows
    own_faults: frozenset[str] = frozenset()
    #: kinds of faults that cannot happen with this product
    impossible: frozenset[str] = frozenset()
    #: address to listen on
    host = "127.0.0.1"

    def __init__(self) -> None:
        self._state_faults = StateFaults(self.containers)
        self.faults = FaultPlan(self.kinds())
        self.journal = Journal(maxlen=JOURNAL_LENGTH)
        self.url = ""
        #: the event loop of `running`
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app = web.Application(middlewares=[self._journal_and_faults], client_max_size=64 * 2**20)
        self.app.router.add_route("*", "/__sim/{name:.*}", self._control)

    # -- for subclasses

    def current_state(self) -> dict[str, Any]:
        """Return the state for tests and operators, as JSON. Called on the event loop while the server runs."""
        return {}

    def reset(self) -> None:
        """Return to the state of a fresh server."""

    def controls(self) -> dict[str, Callable[..., Any]]:
        """Return named actions of an operator: `POST /__sim/call/<name>` with a JSON object of arguments."""
        return {}

    def containers(self) -> Sequence[Container]:
        """Return the containers of all state; a simulator that returns them supports the faults STATE_KINDS."""
        return ()

    def may_change(self, request: web.Request, body: str) -> bool:
        """Return whether a request may change the state."""
        return request.method not in ("GET", "HEAD", "OPTIONS")

    # -- faults and journal

    @classmethod
    def kinds(cls) -> frozenset[str]:
        """Return all kinds of faults that the simulator supports."""
        of_state = STATE_KINDS if cls.containers is not Simulator.containers else frozenset()
        return (COMMON_KINDS | cls.own_faults | of_state) - cls.impossible

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
        may_change = self.may_change(request, body)
        kinds = COMMON_KINDS | STATE_KINDS if may_change else COMMON_KINDS
        fault = self.faults.inject(kinds, request.method, request.path_qs, body)
        if fault is not None:
            entry["fault"] = fault.kind
        response = await self._respond(request, handler if may_change else self._reading(handler), fault)
        entry["status"] = response.status
        return response

    async def _respond(self, request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
        if fault is None:
            return await _handle(handler, request)
        if fault.kind == "ignored":
            return await self._state_faults.ignored(lambda: _handle(handler, request))
        if fault.kind == "stale_reads":
            return await self._state_faults.delayed_visibility(lambda: _handle(handler, request), fault.delay or 1.0)
        if fault.kind in INSTEAD:
            return await INSTEAD[fault.kind](request, fault)
        if fault.kind == "latency":
            await asyncio.sleep(fault.delay or 0.2)
            return await _handle(handler, request)
        response = await _handle(handler, request)
        return await AFTER[fault.kind](request, response, fault)

    def _reading(self, handler: Handler) -> Handler:
        return lambda request: self._state_faults.read(lambda: _handle(handler, request))

    # -- controls

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
            "faults": self._change_faults,
            "reset": self._reset,
        }
        if name not in actions:
            raise ValueError(f"no control named {name!r}; there are {', '.join(actions)}, call/<name>")
        return await actions[name](request)

    async def _state(self, request: web.Request) -> Any:
        return self.current_state()

    def snapshot(self) -> dict[str, Any]:
        """Return the state between two requests, for tests. Call it from another thread than the server's."""
        return self.current_state() if self._loop is None else _on(self._loop, self.current_state)

    async def _show_journal(self, request: web.Request) -> Any:
        """Return the journal; DELETE empties it too."""
        shown = list(self.journal)
        if request.method == "DELETE":
            self.journal.clear()
        return shown

    async def _change_faults(self, request: web.Request) -> Any:
        if request.method == "DELETE":
            self.faults.clear()
            self._state_faults.forget()
        if request.method == "POST":
            given = await request.json()
            for fault in [Fault.model_validate(one) for one in (given if isinstance(given, list) else [given])]:
                self.faults.add(fault)
        return self.faults.list()

    async def _reset(self, request: web.Request) -> Any:
        self.faults.clear()
        self.journal.clear()
        self._state_faults.forget()
        self.reset()
        return {}

    # -- running

    async def serve(self, port: int = 0) -> web.AppRunner:
        """Listen on `self.host`, and set `self.url` to the origin without a trailing slash."""
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, self.host, port, backlog=1024).start()
        self.url = f"http://{self.host}:{runner.addresses[0][1]}"
        return runner

    @contextlib.contextmanager
    def running(self, port: int = 0) -> Iterator[Simulator]:
        """Run on a thread of this process (for tests) until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name=f"simulator {self.product}", daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self.serve(port), loop).result(30)
        self._loop = loop
        try:
            yield self
        finally:
            self._loop = None
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


async def _handle(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as response:
        return web.Response(status=response.status, headers=response.headers, body=response.body)


def _on(loop: asyncio.AbstractEventLoop, function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    async def call() -> dict[str, Any]:
        return function()

    return asyncio.run_coroutine_threadsafe(call(), loop).result(30)
