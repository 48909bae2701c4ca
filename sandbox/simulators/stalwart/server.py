"""The Stalwart simulator: HTTP API of the registry, SMTP listener, and controls for operators."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

from aiohttp import web

from sandbox.simulators.clock import Clock
from sandbox.simulators.faults import Fault
from sandbox.simulators.server import Handler, Simulator
from sandbox.simulators.stalwart import envelope
from sandbox.simulators.stalwart.admission import FAILURES, Admission
from sandbox.simulators.stalwart.background import Background
from sandbox.simulators.stalwart.callers import Caller, Callers, add_default_roles
from sandbox.simulators.stalwart.jmap import Jmap
from sandbox.simulators.stalwart.mail.dkim_keys import zone_file
from sandbox.simulators.stalwart.mail.mail_flow import MailFlow
from sandbox.simulators.stalwart.mail.smtp_listener import SmtpListener
from sandbox.simulators.stalwart.objects.properties import Object
from sandbox.simulators.stalwart.objects.registry import Registry
from sandbox.simulators.state_faults import Container

#: shortest duration of a request whose caller has a concurrency limit, as with a real store, in seconds
MIN_SECONDS = 0.01


class StalwartSimulator(Simulator):
    """`dkim_delay`: seconds until a new domain's keys are created; None leaves that to the control `run_tasks`.

    Own faults, matched by `path` on the method's name and by `contains` on the request body: `server_unavailable`
    (method error before any effect), `partial_commit` (the same after an object of the call is stored), `race_lost`
    (another caller's create of the same key wins), `tasks_in_between` (tasks run just before a destroy),
    `text_surplus` (a text search finds one object too many), `max_concurrent_requests` (HTTP 400).
    """

    product = "stalwart"
    # no stale reads: Stalwart reads and writes one store, in transactions
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
        failures_until_ban: int = FAILURES,
        exempts_loopback: bool = True,
        smtp_port: int = 0,
    ) -> None:
        """`exempts_loopback`: bans and limits do not apply to loopback addresses, as on a real server."""
        super().__init__()
        self._api_key = api_key
        self._recovery_admin = recovery_admin
        self._fresh_edition = edition
        self._licensed_accounts = licensed_accounts
        self._mail_host = mail_host
        self._dkim_delay = dkim_delay
        self._failures_until_ban = failures_until_ban
        self._exempts_loopback = exempts_loopback
        self._clock = Clock()
        self.reset()
        self._smtp = SmtpListener(self.host, smtp_port, lambda: (self.mail, self.callers))
        self.app.cleanup_ctx.append(self._smtp.run)
        router = self.app.router
        for path in ("/jmap", "/jmap/"):
            router.add_post(path, self.jmap)
        router.add_get("/jmap/session", self.session)
        router.add_get("/.well-known/jmap", self.well_known)
        router.add_get("/api/account", self.account)
        router.add_get("/healthz/{which:live|ready}", self.health)
        router.add_route("*", "/{rest:.*}", self.nothing_here)

    @property
    def smtp_url(self) -> str:
        """Return the address of the SMTP listener, while the simulator runs."""
        return f"smtp://{self._smtp.address}"

    def reset(self) -> None:
        self._clock.reset()
        chance = random.Random(0)
        self.registry = Registry(chance=chance, on_create=self._on_create, edition=self._fresh_edition)
        self.registry.singleton("SystemSettings")["defaultHostname"] = self._mail_host
        self.mail = MailFlow(self.registry)
        self.callers = Callers(self._clock, self.registry, self._recovery_admin)
        self.callers.add_key(self._api_key)
        self.admission = Admission(
            self._clock, self.registry, self.callers, self._failures_until_ban, self._exempts_loopback
        )
        self.background = Background(self.registry, self._licensed_accounts)
        self.background.actions = {
            "ReloadSettings": [self.mail.reload_settings, self.admission.reload_settings],
            "ReloadLookupStores": [self.mail.reload_keys],
            "ReloadBlockedIps": [self.admission.reload_blocked],
        }
        add_default_roles(self.registry)
        self._jmap = Jmap(self.registry, self._zone, self._inject, self.run_tasks)
        self._in_flight: Counter[str] = Counter()
        self._body = ""

    def current_state(self) -> dict[str, Any]:
        """Return all objects by kind, and in `mail_treatment` what happens to mail to each domain."""
        held = self.registry.objects.items()
        objects = {kind: [self.registry.shown(kind, one) for one in objects.values()] for kind, objects in held}
        return {**objects, "mail_treatment": self.mail.treatments()}

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "run_tasks": self.run_tasks,
            "create": self.registry.create,
            "create_account": self.create_account,
            "update": self.registry.update,
            "destroy": self.registry.destroy,
            "add_key": self.callers.add_key,
            "use_account": self.use_account,
            "revoke_key": self.revoke_key,
            "advance": self._clock.advance,
            "set_edition": self.set_edition,
            "set_recovery_mode": self.set_recovery_mode,
            "set_broken_setting": self.set_broken_setting,
            "set_most_found": self.set_most_found,
        }

    def create_account(self, domain: str, given: Object) -> Object:
        """Create an account in a domain by the domain's name."""
        domain_id = self.registry.holder("domain", domain)
        if domain_id is None:
            raise ValueError(f"there is no domain {domain}")
        return self.registry.create("Account", {**given, "domainId": domain_id})

    def use_account(self, account: str) -> None:
        """Assign the first API key to an account."""
        self.callers.use_account(self._api_key, account)

    def revoke_key(self) -> None:
        """Destroy the first API key."""
        del self.callers.keys[self._api_key]

    def set_edition(self, edition: str) -> None:
        self.registry.edition = edition

    def set_recovery_mode(self, on: bool) -> None:
        """Turn recovery mode on or off; while it is on no task runs, so no domain gets keys."""
        self.background.recovery = on

    def set_broken_setting(self, kind: str | None) -> None:
        """Make reloads of settings fail because of this object."""
        self.background.broken_setting = kind

    def set_most_found(self, most: int) -> None:
        """Limit the number of ids that a query returns."""
        self._jmap.max_found = most

    def run_tasks(self) -> int:
        return self.background.run_tasks()

    def containers(self) -> Sequence[Container]:
        return self.registry.containers()

    def may_change(self, request: web.Request, body: str) -> bool:
        """Return whether a body has a /set call; all calls are POSTs."""
        return "/set" in body

    # -- HTTP

    async def _respond(self, request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
        """Count the concurrent requests of a limited caller, including slow and hanging ones."""
        caller = self.callers.find(request.headers.get("Authorization", ""))
        if not request.path.startswith("/jmap") or caller is None or "unlimitedRequests" in caller.permissions:
            return await super()._respond(request, handler, fault)
        if self._in_flight[caller.account] >= envelope.MAX_CONCURRENT:
            return envelope.concurrency_limit()
        self._in_flight[caller.account] += 1
        try:
            await asyncio.sleep(MIN_SECONDS)
            return await super()._respond(request, handler, fault)
        finally:
            self._in_flight[caller.account] -= 1

    async def jmap(self, request: web.Request) -> web.Response:
        caller = self._required_caller(request)
        if self.faults.inject(["max_concurrent_requests"], "POST", request.path):
            return envelope.concurrency_limit()
        raw = await request.read()
        body = envelope.read(request, raw)
        self._body = raw.decode()
        created = dict(body.get("createdIds") or {})
        responses = self._jmap.response(body["methodCalls"], caller, created)
        made = {"createdIds": created} if "createdIds" in body else {}
        return web.json_response({"methodResponses": responses, "sessionState": "3e25b2a0", **made})

    async def session(self, request: web.Request) -> web.Response:
        """Return the JMAP session; without credentials, one without an account."""
        caller = self.admission.caller(request)
        return web.json_response(envelope.session(caller.account if caller else None))

    async def well_known(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/jmap/session"})

    async def account(self, request: web.Request) -> web.Response:
        permissions = sorted(self._required_caller(request).permissions)
        return web.json_response({"permissions": permissions, "edition": self.registry.edition, "locale": "en_US"})

    async def health(self, request: web.Request) -> web.Response:
        self.admission.refuse_blocked_request(request)
        return web.json_response({"status": 200}, content_type="application/envelope.problem+json")

    async def nothing_here(self, request: web.Request) -> web.Response:
        return envelope.problem(404, "Not Found")

    def _required_caller(self, request: web.Request) -> Caller:
        """Return the caller. Raises the response for a request without one."""
        caller = self.admission.caller(request)
        if caller is None:
            raise envelope.unauthorized(401)
        return caller

    def _on_create(self, kind: str, created: Object) -> None:
        self.background.created(kind, created)
        if kind == "Task" and self._dkim_delay is not None:
            asyncio.get_running_loop().call_later(self._dkim_delay, self.run_tasks)

    def _zone(self, domain: Object) -> str:
        host = self.registry.singleton("SystemSettings")["defaultHostname"]
        return zone_file(domain, self.background.signatures(domain), host)

    def _inject(self, kind: str, call: str) -> bool:
        return self.faults.inject([kind], "POST", call, self._body) is not None
