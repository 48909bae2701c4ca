"""Responses to requests with a common fault."""

from __future__ import annotations

import asyncio

from aiohttp import web

from sandbox.simulators.faults import Fault

PROXY_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"


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


#: responses without running the handler, by kind of fault
INSTEAD = {"hang": _hang, "reset": _reset, "status": _status, "rate_limited": _rate_limited}
#: responses that replace the handler's, by kind of fault
AFTER = {
    "lost": _lost,
    "applied_then_status": _other_status,
    "wrong_body": _wrong_body,
    "empty_body": _empty_body,
    "drip": _drip,
}
