"""Stalwart's stand-in, put together: who may call, the HTTP face, and the background task that makes DKIM keys."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import web

from sandbox.stand_ins.server import StandIn
from sandbox.stand_ins.stalwart.jmap import Jmap
from sandbox.stand_ins.stalwart.keys import new_signature, zone_file
from sandbox.stand_ins.stalwart.kinds import Object
from sandbox.stand_ins.stalwart.registry import Registry

CORE, OURS = "urn:ietf:params:jmap:core", "urn:stalwart:jmap"
MAX_CALLS, MAX_REQUEST, MAX_CONCURRENT = 16, 10_000_000, 4
ACCOUNT = "c"


class StalwartStandIn(StandIn):
    """`dkim_delay`: seconds until a new domain's keys are made; None leaves that to the control `run_tasks`.

    Own faults, matched by `contains` on the request body: `server_unavailable` (method error before any effect),
    `race_lost` (somebody else's create of the same key wins), `max_concurrent_requests` (HTTP 400).
    """

    product = "stalwart"
    own_faults = frozenset({"server_unavailable", "race_lost", "max_concurrent_requests"})

    def __init__(
        self,
        *,
        api_key: str,
        recovery_admin: tuple[str, str] | None = None,
        edition: Literal["oss", "community", "enterprise"] = "oss",
        mail_host: str = "mail.platform.test",
        dkim_delay: float | None = 0.2,
        failures_until_ban: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed)
        self._api_key = api_key
        self._recovery_admin = recovery_admin
        self.edition: str = edition
        self._mail_host = mail_host
        self._dkim_delay = dkim_delay
        self._failures_until_ban = failures_until_ban
        self.reset()
        router = self.app.router
        for path in ("/jmap", "/jmap/"):
            router.add_post(path, self.jmap)
        router.add_get("/jmap/session", self.session)
        router.add_get("/.well-known/jmap", self.well_known)
        router.add_get("/api/account", self.account)
        router.add_get("/healthz/{which:live|ready}", self.health)
        router.add_route("*", "/{rest:.*}", self.nothing_here)

    def reset(self) -> None:
        self.registry = Registry(on_create=self._created)
        self._jmap = Jmap(self.registry, self._zone, self._strike)
        self._failures = 0
        self._revoked = False
        self._in_flight = 0
        self._body = ""

    def snapshot(self) -> dict[str, Any]:
        return {kind: list(objects.values()) for kind, objects in self.registry.objects.items()}

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "run_tasks": self.run_tasks,
            "create": self.registry.create,
            "update": self.registry.update,
            "destroy": self.registry.destroy,
            "revoke_key": self.revoke_key,
            "set_edition": self.set_edition,
        }

    def revoke_key(self) -> None:
        self._revoked = True

    def set_edition(self, edition: str) -> None:
        self.edition = edition

    # -- HTTP

    async def jmap(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if self._in_flight >= MAX_CONCURRENT or self.faults.strike(["max_concurrent_requests"], "POST", request.path):
            return _limit("maxConcurrentRequests")
        self._in_flight += 1
        try:
            return self._answered(request, await request.read())
        finally:
            self._in_flight -= 1

    async def session(self, request: web.Request) -> web.Response:
        anonymous = "Authorization" not in request.headers
        refusal = None if anonymous else self._refusal(request)
        if refusal is not None:
            return refusal
        capabilities = {CORE: {"maxSizeRequest": MAX_REQUEST, "maxCallsInRequest": MAX_CALLS, "maxObjectsInGet": 500}}
        accounts = {} if anonymous else {ACCOUNT: {"name": "provisioner", "accountCapabilities": {OURS: {}}}}
        body = {
            "capabilities": capabilities,
            "accounts": accounts,
            "primaryAccounts": {} if anonymous else {OURS: ACCOUNT},
            "username": "" if anonymous else "provisioner",
            # inside a cluster the host of this is usually wrong: only its path is of use
            "apiUrl": "https://mail.platform.invalid/jmap/",
        }
        return web.json_response(body)

    async def well_known(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/jmap/session"})

    async def account(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        return web.json_response({"permissions": ["authenticate"], "edition": self.edition, "locale": "en_US"})

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": 200}, content_type="application/problem+json")

    async def nothing_here(self, request: web.Request) -> web.Response:
        return _problem(404, "Not Found")

    def _answered(self, request: web.Request, raw: bytes) -> web.Response:
        if len(raw) > MAX_REQUEST:
            return _limit("maxSizeRequest")
        try:
            envelope = json.loads(raw) if request.content_type == "application/json" else None
        except ValueError:
            envelope = None
        if envelope is None:
            return _problem(400, "Bad Request", type="urn:ietf:params:jmap:error:notJSON")
        if not _well_formed(envelope):
            # the real server repeats the whole request here, secrets included
            return _problem(400, "Bad Request", type="urn:ietf:params:jmap:error:notRequest", detail=raw.decode())
        if len(envelope["methodCalls"]) > MAX_CALLS:
            return _limit("maxCallsInRequest")
        self._body = raw.decode()
        responses = self._jmap.answer(envelope["methodCalls"], ACCOUNT)
        return web.json_response({"methodResponses": responses, "sessionState": "3e25b2a0"})

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._failures >= self._failures_until_ban:
            return _problem(403, "Forbidden")
        if self._authentic(request.headers.get("Authorization", "")):
            if self._revoked:
                return _problem(403, "Forbidden")
            return None
        self._failures += 1
        answer = _problem(401, "Unauthorized", detail="You have to authenticate first.")
        answer.headers.add("WWW-Authenticate", 'Bearer realm="Stalwart Server"')
        answer.headers.add("WWW-Authenticate", 'Basic realm="Stalwart Server"')
        return answer

    def _authentic(self, header: str) -> bool:
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            return secrets.compare_digest(value, self._api_key)
        if scheme.lower() == "basic" and self._recovery_admin is not None:
            expected = base64.b64encode(":".join(self._recovery_admin).encode()).decode()
            return secrets.compare_digest(value, expected)
        return False

    # -- background

    def run_tasks(self) -> int:
        """Run every pending task once, as the server's task manager does; the number that ran."""
        tasks = [task for task in self.registry.objects["Task"].values() if task["status"]["@type"] == "Pending"]
        for task in tasks:
            self._run_task(task)
        return len(tasks)

    def _created(self, kind: str, created: Object) -> None:
        if kind == "Domain" and created["dkimManagement"]["@type"] == "Automatic":
            self.registry.create("Task", {"@type": "DkimManagement", "domainId": created["id"]})
        if kind == "Task" and self._dkim_delay is not None:
            asyncio.get_running_loop().call_later(self._dkim_delay, self.run_tasks)

    def _run_task(self, task: Object) -> None:
        domain = self.registry.objects["Domain"].get(task["domainId"])
        if domain is None or domain["dkimManagement"]["@type"] != "Automatic":
            task["status"] = {"@type": "Failed", "failureReason": "Domain is not managed.", "failedAt": "now"}
            return
        active = {one["@type"] for one in self._signatures(domain) if one["stage"] == "active"}
        for algorithm in domain["dkimManagement"]["algorithms"]:
            if algorithm not in active:
                signature = new_signature(algorithm, domain, len(self.registry.objects["DkimSignature"]))
                public = signature.pop("publicKey")
                self.registry.create("DkimSignature", signature)["publicKey"] = public
        del self.registry.objects["Task"][task["id"]]

    def _signatures(self, domain: Object) -> list[Object]:
        held = self.registry.objects["DkimSignature"].values()
        return [one for one in held if one["domainId"] == domain["id"]]

    def _zone(self, domain: Object) -> str:
        return zone_file(domain, self._signatures(domain), self._mail_host)

    def _strike(self, kind: str, call: str) -> bool:
        return self.faults.strike([kind], "POST", call, self._body) is not None


def _well_formed(envelope: Any) -> bool:
    return (
        isinstance(envelope, dict)
        and isinstance(envelope.get("methodCalls"), list)
        and all(isinstance(call, list) and len(call) == 3 for call in envelope["methodCalls"])
        and all(urn.startswith("urn:ietf:params:jmap:") or urn == OURS for urn in envelope.get("using", []))
    )


def _problem(status: int, title: str, **facts: Any) -> web.Response:
    body = {"type": "about:blank", "status": status, "title": title, **facts}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")


def _limit(name: str) -> web.Response:
    return _problem(400, "Bad Request", type="urn:ietf:params:jmap:error:limit", limit=name)
