"""Accept or refuse an HTTP request before JMAP: bans, limits of unauthenticated requests, credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from aiohttp import web

from sandbox.simulators.clock import Clock
from sandbox.simulators.stalwart.callers import Caller, Callers, is_credential
from sandbox.simulators.stalwart.envelope import too_many, unauthorized
from sandbox.simulators.stalwart.objects.registry import Registry

#: failed sign-ins of one address before it is banned
FAILURES = 100
#: unauthenticated requests of one address in a minute
ANONYMOUS = 100


@dataclass
class Admission:
    """Checks before JMAP. `blocked` and `trusts_forwarded` are active; objects of the registry need a reload first."""

    clock: Clock
    registry: Registry
    callers: Callers
    failures_until_ban: int = FAILURES
    exempts_loopback: bool = True
    blocked: set[str] = field(default_factory=set)
    trusts_forwarded: bool = False
    _failures: dict[str, int] = field(default_factory=dict)
    _anonymous: dict[tuple[str, int], int] = field(default_factory=dict)

    def reload_blocked(self) -> None:
        self.blocked = {one["address"] for one in self.registry.objects["BlockedIp"].values()}
        self._failures = {address: count for address, count in self._failures.items() if address in self.blocked}

    def reload_settings(self) -> None:
        self.trusts_forwarded = self.registry.singleton("Http")["useXForwarded"]

    def caller(self, request: web.Request) -> Caller | None:
        """Return the request's caller, None without credentials. Raises the HTTP response that refuses it."""
        address = self._address(request)
        self.refuse_blocked(address)
        header = request.headers.get("Authorization", "")
        found = self.callers.find(header) if header else None
        if found is None:
            self._count_anonymous(address)
            if header:
                self._count_failure(address, header)
                raise unauthorized(401)
            return None
        if "authenticate" not in found.permissions:
            raise unauthorized(403)
        return found

    def refuse_blocked(self, address: str) -> None:
        """Raise the response for a banned address, for every request of it."""
        if address in self.blocked and not self._is_exempt(address):
            raise unauthorized(403)

    def refuse_blocked_request(self, request: web.Request) -> None:
        self.refuse_blocked(self._address(request))

    def _address(self, request: web.Request) -> str:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")[0].strip()
        return forwarded if forwarded and self.trusts_forwarded else request.remote or "127.0.0.1"

    def _is_exempt(self, address: str) -> bool:
        return self.exempts_loopback and ip_address(address).is_loopback

    def _count_anonymous(self, address: str) -> None:
        if self._is_exempt(address):
            return
        now = self.clock.now()
        window = (address, int(now.timestamp() // 60))
        self._anonymous[window] = self._anonymous.get(window, 0) + 1
        if self._anonymous[window] > ANONYMOUS:
            raise too_many(60 - now.second, ANONYMOUS)

    def _count_failure(self, address: str, header: str) -> None:
        if self._is_exempt(address) or not is_credential(header):
            return
        self._failures[address] = self._failures.get(address, 0) + 1
        if self._failures[address] > self.failures_until_ban:
            self.registry.create("BlockedIp", {"address": address, "reason": "authFailure"})
            self.blocked.add(address)
