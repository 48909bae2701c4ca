"""Send requests to the API. A request is repeated with the same idempotency key until it has a definite answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from tools.chaos.load.request_log import LoggedRequest, RequestLog

TIMEOUTS = (2.0, 8.0)
#: statuses after which a client tries again
RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
KEY_IN_PROGRESS = "idempotency_key_in_progress"
ALREADY_DONE = "already_done"

#: kind: method and path with its query
REQUESTS: Mapping[str, tuple[str, str]] = {
    "create": ("POST", "/tenants"),
    "rename": ("PATCH", "/tenants/{slug}"),
    "change domains": ("PATCH", "/tenants/{slug}"),
    "reconcile": ("POST", "/tenants/{slug}/reconcile"),
    "dry run": ("POST", "/tenants/{slug}/reconcile?mode=plan"),
    "suspend": ("POST", "/tenants/{slug}/suspend"),
    "resume": ("POST", "/tenants/{slug}/resume"),
    "delete": ("DELETE", "/tenants/{slug}"),
    "restore": ("POST", "/tenants/{slug}/restore"),
    "purge": ("POST", "/tenants/{slug}/purge"),
}


@dataclass
class ClientRequest:
    """A request that has no definite answer yet. `was_lost`: a try had no answer, so it may have been carried out."""

    slug: str
    kind: str
    request_id: str
    body: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 0
    was_lost: bool = False
    last_status: int = 0


@dataclass(frozen=True)
class TenantState:
    """A tenant's state in the API. `is_busy`: an operation runs."""

    status: str
    is_busy: bool
    domains: tuple[str, ...]


class Caller:
    """Call the API's processes in turn. Safe to share between threads."""

    def __init__(self, urls: list[str], token: str, log: RequestLog) -> None:
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {token}"}
        self._log = log
        self._turn = 0
        self._local = threading.local()

    def send(self, request: ClientRequest) -> LoggedRequest | None:
        """Try once. Return None without an answer, or with one that says to try again."""
        method, path = REQUESTS[request.kind]
        request.tries += 1
        headers = {"X-Request-Id": request.request_id}
        if method == "POST":
            headers["Idempotency-Key"] = request.request_id
        body = dict(request.body) or None
        response = self._request(method, path.format(slug=request.slug), headers=headers, json=body)
        self._log.count_request(was_lost=response is None)
        if response is None:
            request.was_lost = True
            return None
        return self._read(request, response)

    def tenant(self, slug: str) -> TenantState | None:
        """Return a tenant's state, or None when the API does not say."""
        response = self._request("GET", f"/tenants/{slug}", headers={})
        if response is None or response.status_code != 200:
            return None
        shown = response.json()
        operation = shown.get("operation")
        is_busy = bool(operation and operation["status"] == "running")
        return TenantState(shown["status"], is_busy, tuple(shown["domains"]))

    def _request(self, method: str, path: str, *, headers: dict[str, str], **options: Any) -> requests.Response | None:
        self._turn += 1
        url = self._urls[self._turn % len(self._urls)]
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        try:
            response: requests.Response = session.request(
                method, url + path, headers=self._headers | headers, timeout=TIMEOUTS, **options
            )
        except requests.RequestException:
            return None
        return response

    def _read(self, request: ClientRequest, response: requests.Response) -> LoggedRequest | None:
        request.last_status = response.status_code
        said = _json(response)
        if response.ok:
            operation = said.get("operation") or {}
            wants = request.kind not in ("rename", "change domains") or response.status_code == 202
            return _entry(request, "accepted", None, operation.get("_id") if wants else None)
        code = said.get("code")
        if code == ALREADY_DONE:
            return _entry(request, "accepted", code, None)
        if response.status_code >= 500:
            # it may have been carried out: the outcome of a commit can be unknown to the API too
            request.was_lost = True
        if response.status_code >= 500 and response.status_code not in RETRYABLE_STATUSES:
            self._log.note_server_error(f"{request.kind} of {request.slug} was answered {response.status_code}: {said}")
        if response.status_code >= 500 or response.status_code in RETRYABLE_STATUSES or code == KEY_IN_PROGRESS:
            return None
        return _entry(request, "unclear" if request.was_lost else "refused", code, None)


def given_up(request: ClientRequest) -> LoggedRequest:
    """Return the log entry of a request that was never answered."""
    return _entry(request, "unclear", "never answered", None)


def _entry(request: ClientRequest, answered: Any, code: str | None, operation: str | None) -> LoggedRequest:
    return LoggedRequest(
        request.slug, request.kind, request.request_id, answered, request.last_status, code, operation, request.body
    )


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
