"""Stalwart's stand-in, put together: the HTTP face over the registry, and what operators may do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from aiohttp import web

from sandbox.simulators.clock import Clock
from sandbox.simulators.faults import Fault
from sandbox.simulators.keeping import Holding
from sandbox.simulators.server import Handler, StandIn
from sandbox.simulators.stalwart.background import Background
from sandbox.simulators.stalwart.callers import Caller, Callers, Refusal, add_default_roles
from sandbox.simulators.stalwart.envelope import CORE, MAX_CALLS, MAX_REQUEST, OURS, limit, problem, read, unauthorized
from sandbox.simulators.stalwart.jmap import Jmap
from sandbox.simulators.stalwart.keys import zone_file
from sandbox.simulators.stalwart.properties import Object
from sandbox.simulators.stalwart.registry import Registry

MAX_CONCURRENT = 4


class StalwartStandIn(StandIn):
    """`dkim_delay`: seconds until a new domain's keys are made; None leaves that to the control `run_tasks`.

    Own faults, matched by `path` on the method's name and by `contains` on the request body: `server_unavailable`
    (method error before any effect), `partial_commit` (the same after an object of the call is stored), `race_lost`
    (somebody else's create of the same key wins), `tasks_in_between` (tasks run just before a destroy),
    `text_surplus` (a text search finds one object too many), `max_concurrent_requests` (HTTP 400).
    """

    product = "stalwart"
    # it reads from the one store that it writes to, in transactions
    impossible = frozenset({"stale_reads"})
    own_faults = frozenset(
        {
            "server_unavailable",
            "partial_commit",
            "race_lost",
            "tasks_in_between",
            "text_surplus",
            "max_concurrent_requests",
        }
    )

    def __init__(
        self,
        *,
        api_key: str,
        recovery_admin: tuple[str, str] | None = None,
        edition: Literal["oss", "community", "enterprise"] = "oss",
        licensed_accounts: int | None = None,
        mail_host: str = "mail.platform.test",
        dkim_delay: float | None = 0.2,
        failures_until_ban: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed)
        self._api_key = api_key
        self._recovery_admin = recovery_admin
        self._fresh_edition = edition
        self._licensed_accounts = licensed_accounts
        self._mail_host = mail_host
        self._dkim_delay = dkim_delay
        self._failures_until_ban = failures_until_ban
        self._seed = seed
        self._clock = Clock()
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
        self._clock.reset()
        self.registry = Registry(chance=random.Random(self._seed), on_create=self._created)
        self.registry.singleton("SystemSettings")["defaultHostname"] = self._mail_host
        self.background = Background(self.registry, self._fresh_edition, self._licensed_accounts)
        self.callers = Callers(self._clock, self.registry, self._failures_until_ban, self._recovery_admin)
        self.callers.add_key(self._api_key)
        add_default_roles(self.registry)
        self._jmap = Jmap(self.registry, self._zone, self._strike, self.run_tasks)
        self._in_flight = 0
        self._body = ""

    def snapshot(self) -> dict[str, Any]:
        held = self.registry.objects.items()
        return {kind: [self.registry.shown(kind, one) for one in objects.values()] for kind, objects in held}

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "run_tasks": self.run_tasks,
            "create": self.registry.create,
            "update": self.registry.update,
            "destroy": self.registry.destroy,
            "add_key": self.callers.add_key,
            "revoke_key": self.revoke_key,
            "advance": self._clock.advance,
            "set_edition": self.set_edition,
            "set_recovery_mode": self.set_recovery_mode,
            "set_most_found": self.set_most_found,
        }

    def revoke_key(self) -> None:
        """Our key is refused from now on."""
        self.callers.revoke(self._api_key)

    def set_edition(self, edition: str) -> None:
        self.background.edition = edition

    def set_recovery_mode(self, on: bool) -> None:
        """In recovery mode no task ever runs, so no domain gets keys."""
        self.background.recovery = on

    def set_most_found(self, most: int) -> None:
        """No query gives more ids than this."""
        self._jmap.most_found = most

    def run_tasks(self) -> int:
        return self.background.run_tasks()

    def holdings(self) -> Sequence[Holding]:
        return self.registry.holdings()

    def may_change(self, request: web.Request, body: str) -> bool:
        """All calls are POSTs."""
        return "/set" in body

    # -- HTTP

    async def _answer(self, request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
        """One that is slow, or hangs, is in flight as long as it is."""
        if not request.path.startswith("/jmap"):
            return await super()._answer(request, handler, fault)
        if self._in_flight >= MAX_CONCURRENT:
            return limit("maxConcurrentRequests")
        self._in_flight += 1
        try:
            return await super()._answer(request, handler, fault)
        finally:
            self._in_flight -= 1

    async def jmap(self, request: web.Request) -> web.Response:
        caller = self._caller(request)
        if self.faults.strike(["max_concurrent_requests"], "POST", request.path):
            return limit("maxConcurrentRequests")
        raw = await request.read()
        envelope = read(request, raw)
        self._body = raw.decode()
        created = dict(envelope.get("createdIds") or {})
        responses = self._jmap.answer(envelope["methodCalls"], caller, created)
        made = {"createdIds": created} if "createdIds" in envelope else {}
        return web.json_response({"methodResponses": responses, "sessionState": "3e25b2a0", **made})

    async def session(self, request: web.Request) -> web.Response:
        """Without credentials it answers too, for nobody."""
        caller = self._caller(request) if "Authorization" in request.headers else None
        capabilities = {CORE: {"maxSizeRequest": MAX_REQUEST, "maxCallsInRequest": MAX_CALLS, "maxObjectsInGet": 500}}
        own = {} if caller is None else {caller.account: {"name": "provisioner", "accountCapabilities": {OURS: {}}}}
        body = {
            "capabilities": capabilities,
            "accounts": own,
            "primaryAccounts": {} if caller is None else {OURS: caller.account},
            "username": "" if caller is None else "provisioner",
            # inside a cluster the host of this is usually wrong: only its path is of use
            "apiUrl": "https://mail.platform.invalid/jmap/",
        }
        return web.json_response(body)

    async def well_known(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/jmap/session"})

    async def account(self, request: web.Request) -> web.Response:
        permissions = sorted(self._caller(request).permissions)
        return web.json_response({"permissions": permissions, "edition": self.background.edition, "locale": "en_US"})

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": 200}, content_type="application/problem+json")

    async def nothing_here(self, request: web.Request) -> web.Response:
        return problem(404, "Not Found")

    def _caller(self, request: web.Request) -> Caller:
        """Raises the answer for who may not call."""
        try:
            return self.callers.caller(request.headers.get("Authorization", ""))
        except Refusal as refusal:
            raise unauthorized(refusal.status) from None

    def _created(self, kind: str, created: Object) -> None:
        self.background.created(kind, created)
        if kind == "Task" and self._dkim_delay is not None:
            asyncio.get_running_loop().call_later(self._dkim_delay, self.run_tasks)

    def _zone(self, domain: Object) -> str:
        host = self.registry.singleton("SystemSettings")["defaultHostname"]
        return zone_file(domain, self.background.signatures(domain), host)

    def _strike(self, kind: str, call: str) -> bool:
        return self.faults.strike([kind], "POST", call, self._body) is not None
