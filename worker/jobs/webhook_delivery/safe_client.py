"""Sends one event to an address a customer chose: checked, pinned, bounded in time and size, never redirected.

The name is resolved once; what was checked is what is connected to, so a name that changes its mind between the two
gains nothing. The certificate must still be the name's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import requests
import urllib3
from urllib3.exceptions import NewConnectionError

from shared.core.address_rules import AddressRule, Target, literal_address, target_of
from shared.core.http import DeadlineAdapter, call_within, trust_of
from shared.integrations.outcomes import Fault
from worker.http.deadline import remaining, within

CONNECT_SECONDS = 3.0
#: what is read of an answer before the connection is closed; nobody looks at it, but a small one ends the call tidily
LARGEST_ANSWER = 64 * 1024
#: of a host's addresses, how many are tried
ADDRESSES_TRIED = 4
USER_AGENT = "dezky-webhooks/1"


class Delivered(StrEnum):
    """YES: the receiver took it. LATER: worth another attempt. NEVER: not as things stand."""

    YES = "delivered"
    LATER = "unavailable"
    NEVER = "refused"


@dataclass(frozen=True)
class Delivery:
    """How one attempt ended. `reason`: a key of REASONS unless delivered. `wait`: seconds the receiver asked for."""

    result: Delivered
    status: int | None = None
    reason: str | None = None
    wait: float | None = None


class _NotSent(Exception):
    def __init__(self, result: Delivered, reason: str) -> None:
        super().__init__(reason)
        self.delivery = Delivery(result, reason=reason)


class WebhookSender:
    """Safe to share between threads; each event has a connection of its own."""

    def __init__(
        self,
        resolve: Callable[[str], Sequence[str]],
        *,
        allowed_networks: Sequence[str] = (),
        call_seconds: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        """`resolve`: a name's addresses, within the attempt's time; may raise Fault. `allowed_networks`: in CIDR form,
        spoken to although they are not public, and without TLS too. Raises ValueError for one that is none."""
        self._resolve = resolve
        self._rule = AddressRule.of(allowed_networks)
        self._call_seconds = call_seconds
        self._trust = trust_of(ca_file)

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """One attempt, looking up included, within the call's time. Raises nothing: how it ended is the answer."""
        sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **headers}
        try:
            with within(self._call_seconds):
                target = _target(url)
                return _judged(self._to_first(target, self._addresses(target), body, sent))
        except _NotSent as ending:
            return ending.delivery

    def _addresses(self, target: Target) -> Sequence[str]:
        """Checked ones. One forbidden address among good ones forbids all: no honest host has both."""
        literal = literal_address(target.host)
        try:
            found = [literal] if literal else list(self._resolve(target.host))
        except Fault as fault:
            raise _NotSent(Delivered.LATER, "timeout" if fault.reason == "timeout" else "unresolved") from None
        if not found:
            raise _NotSent(Delivered.LATER, "unresolved")
        if not all(self._rule.admits(address) for address in found):
            raise _NotSent(Delivered.NEVER, "forbidden_address")
        if target.scheme != "https" and not all(self._rule.is_allowed(address) for address in found):
            raise _NotSent(Delivered.NEVER, "not_encrypted")
        return found[:ADDRESSES_TRIED]

    def _to_first(
        self, target: Target, addresses: Sequence[str], body: bytes, headers: Mapping[str, str]
    ) -> requests.Response:
        """Whatever the first address that takes a connection answers."""
        ending = _NotSent(Delivered.LATER, "unreachable")
        for address in addresses:
            try:
                return self._post(target, address, body, headers)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
                ending = _meaning(problem)
                if not _never_connected(problem):
                    break
        raise ending

    def _post(self, target: Target, address: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        left = remaining(self._call_seconds)
        if left <= 0:
            raise TimeoutError
        with requests.Session() as session, call_within(left):
            # no proxies, no .netrc, no CA bundle of the environment
            session.trust_env = False
            session.mount(f"{target.scheme}://", _PinnedAdapter(target.host, self._trust))
            response = session.post(
                target.at(address),
                data=body,
                headers={**headers, "Host": target.authority},
                # connecting is two waits, for the handshake too
                timeout=(min(CONNECT_SECONDS, left / 2), left),
                allow_redirects=False,
                stream=True,
            )
            # the status says all; an answer that breaks off or takes its time behind it changes nothing
            with response, suppress(urllib3.exceptions.HTTPError, OSError):
                response.raw.read(LARGEST_ANSWER, decode_content=False)
            return response


class _PinnedAdapter(DeadlineAdapter):
    """For a URL that names an address: TLS asks for, and insists on, the host's certificate."""

    def __init__(self, host: str, trust: Any) -> None:
        self._host = host.rstrip(".")
        super().__init__(trust, pool_size=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, server_hostname=self._host, **options)


def _target(url: str) -> Target:
    try:
        return target_of(url)
    except ValueError:
        raise _NotSent(Delivered.NEVER, "bad_url") from None


def _judged(response: requests.Response) -> Delivery:
    status = response.status_code
    if 200 <= status < 300:
        return Delivery(Delivered.YES, status)
    if status == 410:
        return Delivery(Delivered.NEVER, status, "gone")
    if 300 <= status < 400:
        return Delivery(Delivered.NEVER, status, "redirected")
    # a 404 or 401 is most often a receiver in the middle of a change, so these are tried again as well
    return Delivery(Delivered.LATER, status, "not_taken", _asked_wait(response.headers.get("Retry-After", "")))


def _asked_wait(text: str) -> float | None:
    """Retry-After in seconds; its other form, a date, is left to the schedule."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _meaning(problem: Exception) -> _NotSent:
    if isinstance(problem, requests.exceptions.SSLError):
        return _NotSent(Delivered.LATER, "tls")
    return _NotSent(Delivered.LATER, "timeout" if _is_timeout(problem) else "unreachable")


def _is_timeout(problem: BaseException | None) -> bool:
    while problem is not None:
        if isinstance(problem, TimeoutError | requests.Timeout):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def _never_connected(problem: Exception) -> bool:
    if isinstance(problem, requests.ConnectTimeout):
        return True
    reason = getattr(problem.args[0] if problem.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)
