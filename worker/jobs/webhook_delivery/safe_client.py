"""Send one event to a customer's URL: address checked and pinned, time and size limited, redirects not followed.

The name is resolved once, and the connection goes to the very address that was checked, so DNS rebinding does not help
an attacker. The certificate must still be the name's.
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
from shared.core.http import DeadlineAdapter, call_deadline, tls_context
from shared.integrations.outcomes import Fault
from worker.http.deadline import remaining, within

CONNECT_SECONDS = 3.0
#: bytes read of a response before the connection is closed; they are ignored, but a small response then ends cleanly
MAX_RESPONSE_BYTES = 64 * 1024
#: addresses of a host that are tried at most
MAX_ADDRESSES = 4
USER_AGENT = "dezky-webhooks/1"


class DeliveryResult(StrEnum):
    """DELIVERED: the receiver answered 2xx. RETRY: a later attempt may succeed. REFUSED: a retry cannot succeed."""

    DELIVERED = "delivered"
    RETRY = "unavailable"
    REFUSED = "refused"


@dataclass(frozen=True)
class DeliveryOutcome:
    """Outcome of one attempt. `reason`: a key of REASONS unless delivered. `wait`: seconds the receiver asked for."""

    result: DeliveryResult
    status: int | None = None
    reason: str | None = None
    wait: float | None = None


class _Failed(Exception):
    def __init__(self, result: DeliveryResult, reason: str) -> None:
        super().__init__(reason)
        self.outcome = DeliveryOutcome(result, reason=reason)


class SafeWebhookClient:
    """Sends events, each over its own connection; safe to share between threads."""

    def __init__(
        self,
        resolve: Callable[[str], Sequence[str]],
        *,
        allowed_networks: Sequence[str] = (),
        call_seconds: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        """`resolve`: returns a name's addresses within the attempt's time; may raise Fault.

        `allowed_networks`: CIDRs that are allowed although not public, also without TLS. Raises ValueError for bad ones
        """
        self._resolve = resolve
        self._rule = AddressRule.of(allowed_networks)
        self._call_seconds = call_seconds
        self._trust = tls_context(ca_file)

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> DeliveryOutcome:
        """Make one attempt, DNS lookup included, within the call's time. Never raises; returns the outcome."""
        sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **headers}
        try:
            with within(self._call_seconds):
                target = _target(url)
                return _outcome_of(self._to_first(target, self._addresses(target), body, sent))
        except _Failed as failure:
            return failure.outcome

    def _addresses(self, target: Target) -> Sequence[str]:
        """Return the host's checked addresses. One forbidden address forbids all: no honest host has both kinds."""
        literal = literal_address(target.host)
        try:
            found = [literal] if literal else list(self._resolve(target.host))
        except Fault as fault:
            raise _Failed(DeliveryResult.RETRY, "timeout" if fault.reason == "timeout" else "unresolved") from None
        if not found:
            raise _Failed(DeliveryResult.RETRY, "unresolved")
        if not all(self._rule.allows(address) for address in found):
            raise _Failed(DeliveryResult.REFUSED, "forbidden_address")
        if target.scheme != "https" and not all(self._rule.is_allowlisted(address) for address in found):
            raise _Failed(DeliveryResult.REFUSED, "not_encrypted")
        return found[:MAX_ADDRESSES]

    def _to_first(
        self, target: Target, addresses: Sequence[str], body: bytes, headers: Mapping[str, str]
    ) -> requests.Response:
        """Return the response of the first address that accepts a connection."""
        failure = _Failed(DeliveryResult.RETRY, "unreachable")
        for address in addresses:
            try:
                return self._post(target, address, body, headers)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
                failure = _failure_of(problem)
                if not _never_connected(problem):
                    break
        raise failure

    def _post(self, target: Target, address: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        left = remaining(self._call_seconds)
        if left <= 0:
            raise TimeoutError
        with requests.Session() as session, call_deadline(left):
            # ignore proxies, .netrc and CA bundles of the environment
            session.trust_env = False
            session.mount(f"{target.scheme}://", _PinnedAdapter(target.host, self._trust))
            response = session.post(
                target.url_at(address),
                data=body,
                headers={**headers, "Host": target.authority},
                # the connect timeout applies twice: to TCP and to the TLS handshake
                timeout=(min(CONNECT_SECONDS, left / 2), left),
                allow_redirects=False,
                stream=True,
            )
            # only the status counts; a body that breaks off or is slow changes nothing
            with response, suppress(urllib3.exceptions.HTTPError, OSError):
                response.raw.read(MAX_RESPONSE_BYTES, decode_content=False)
            return response


class _PinnedAdapter(DeadlineAdapter):
    """Adapter for a URL with an IP address: TLS requests and verifies the certificate of the host's name."""

    def __init__(self, host: str, trust: Any) -> None:
        self._host = host.rstrip(".")
        super().__init__(trust, pool_size=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, server_hostname=self._host, **options)


def _target(url: str) -> Target:
    try:
        return target_of(url)
    except ValueError:
        raise _Failed(DeliveryResult.REFUSED, "bad_url") from None


def _outcome_of(response: requests.Response) -> DeliveryOutcome:
    status = response.status_code
    if 200 <= status < 300:
        return DeliveryOutcome(DeliveryResult.DELIVERED, status)
    if status == 410:
        return DeliveryOutcome(DeliveryResult.REFUSED, status, "gone")
    if 300 <= status < 400:
        return DeliveryOutcome(DeliveryResult.REFUSED, status, "redirected")
    # a 404 or 401 usually comes from a receiver during a deployment, so these are retried as well
    return DeliveryOutcome(
        DeliveryResult.RETRY, status, "not_taken", _retry_after(response.headers.get("Retry-After", ""))
    )


def _retry_after(text: str) -> float | None:
    """Return Retry-After in seconds; None for its other form, a date."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _failure_of(problem: Exception) -> _Failed:
    if isinstance(problem, requests.exceptions.SSLError):
        return _Failed(DeliveryResult.RETRY, "tls")
    return _Failed(DeliveryResult.RETRY, "timeout" if _is_timeout(problem) else "unreachable")


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
