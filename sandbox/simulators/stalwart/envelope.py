"""Build Stalwart's HTTP error responses as problem bodies: malformed requests, limits, refused credentials."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

CORE, OURS = "urn:ietf:params:jmap:core", "urn:stalwart:jmap"
MAX_CALLS, MAX_REQUEST = 16, 10_000_000
#: requests in flight for one account without `unlimitedRequests`
MAX_CONCURRENT = 4
PROBLEM = "application/problem+json"
ERROR = "urn:ietf:params:jmap:error:"


def read(request: web.Request, raw: bytes) -> dict[str, Any]:
    """Read the envelope of a request. Raises the response for a malformed one."""
    if len(raw) > MAX_REQUEST:
        raise _refusal(type=f"{ERROR}limit", limit="maxSizeRequest")
    try:
        envelope = json.loads(raw) if request.content_type == "application/json" else None
    except ValueError:
        envelope = None
    if envelope is None:
        raise _refusal(type=f"{ERROR}notJSON")
    if not _is_well_formed(envelope):
        # the real server repeats the whole request here, including secrets
        raise _refusal(type=f"{ERROR}notRequest", detail=raw.decode())
    if len(envelope["methodCalls"]) > MAX_CALLS:
        raise _refusal(type=f"{ERROR}limit", limit="maxCallsInRequest")
    return dict(envelope)


def session(account: str | None) -> dict[str, Any]:
    """Build the session of an account, or that of a caller without credentials."""
    limits = {"maxSizeRequest": MAX_REQUEST, "maxCallsInRequest": MAX_CALLS, "maxObjectsInGet": 500}
    own = {} if account is None else {account: {"name": "provisioner", "accountCapabilities": {OURS: {}}}}
    return {
        "capabilities": {CORE: limits},
        "accounts": own,
        "primaryAccounts": {} if account is None else {OURS: account},
        "username": "" if account is None else "provisioner",
        # inside a cluster this host is usually wrong, so that callers may use only the path
        "apiUrl": "https://mail.platform.invalid/jmap/",
    }


def problem(status: int, title: str, **facts: Any) -> web.Response:
    return web.Response(status=status, text=_body(status, title, **facts), content_type=PROBLEM)


def concurrency_limit() -> web.Response:
    """Return the response for too many concurrent requests of one account; it has no Retry-After."""
    response = problem(400, "Bad Request", type=f"{ERROR}limit", limit="maxConcurrentRequests")
    response.headers["RateLimit-Policy"] = f'"concurrent-requests";q={MAX_CONCURRENT}'
    response.headers["RateLimit"] = '"concurrent-requests";r=0'
    return response


def too_many(seconds: int, quota: int) -> web.HTTPException:
    """Return the response for too many requests of one address in a minute."""
    text = _body(429, "Too Many Requests", detail="Your request has been rate limited. Please try again later.")
    response = web.HTTPTooManyRequests(text=text, content_type=PROBLEM)
    response.headers["Retry-After"] = str(seconds)
    response.headers["RateLimit-Policy"] = f'"requests";q={quota}'
    response.headers["RateLimit"] = f'"requests";r=0;t={seconds}'
    return response


def unauthorized(status: int) -> web.HTTPException:
    """Return the response for invalid credentials (401), or for missing permission and banned addresses (403)."""
    if status == 403:
        return web.HTTPForbidden(text=_body(403, "Forbidden"), content_type=PROBLEM)
    text = _body(401, "Unauthorized", detail="You have to authenticate first.")
    response = web.HTTPUnauthorized(text=text, content_type=PROBLEM)
    for scheme in ("Bearer", "Basic"):
        response.headers.add("WWW-Authenticate", f'{scheme} realm="Stalwart Server"')
    return response


def _refusal(**facts: Any) -> web.HTTPException:
    return web.HTTPBadRequest(text=_body(400, "Bad Request", **facts), content_type=PROBLEM)


def _body(status: int, title: str, **facts: Any) -> str:
    return json.dumps({"type": "about:blank", "status": status, "title": title, **facts})


def _is_well_formed(envelope: Any) -> bool:
    return (
        isinstance(envelope, dict)
        and isinstance(envelope.get("methodCalls"), list)
        and all(isinstance(call, list) and len(call) == 3 for call in envelope["methodCalls"])
        and all(urn.startswith("urn:ietf:params:jmap:") or urn == OURS for urn in envelope.get("using", []))
    )
