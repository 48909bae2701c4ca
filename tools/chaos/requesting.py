"""One client's way of asking: the same request, with the same key, until somebody gives an answer that is one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from tools.chaos.journal import Entry, Journal

TIMEOUTS = (2.0, 8.0)
#: answers that mean "not now"
LATER = frozenset({429, 502, 503, 504})
KEY_IN_PROGRESS = "idempotency_key_in_progress"

#: move: method, path, and what its query says
REQUESTS: Mapping[str, tuple[str, str]] = {
    "create": ("POST", "/tenants"),
    "rename": ("PATCH", "/tenants/{slug}"),
    "change domains": ("PATCH", "/tenants/{slug}"),
    "reconcile": ("POST", "/tenants/{slug}/reconcile"),
    "plan": ("POST", "/tenants/{slug}/reconcile?mode=plan"),
    "suspend": ("POST", "/tenants/{slug}/suspend"),
    "resume": ("POST", "/tenants/{slug}/resume"),
    "delete": ("DELETE", "/tenants/{slug}"),
    "restore": ("POST", "/tenants/{slug}/restore"),
    "purge": ("POST", "/tenants/{slug}/purge"),
}


@dataclass
class Errand:
    """One request on its way. `was_lost`: some try had no answer, so it may have been carried out all the same."""

    slug: str
    move: str
    request_id: str
    body: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 0
    was_lost: bool = False
    last_status: int = 0


class Caller:
    """Asks any of the API's processes. Safe to share between threads."""

    def __init__(self, urls: list[str], token: str, journal: Journal) -> None:
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {token}"}
        self._journal = journal
        self._turn = 0
        self._local = threading.local()

    def send(self, errand: Errand) -> Entry | None:
        """One try. None: no answer yet, or one that says to come again."""
        method, path = REQUESTS[errand.move]
        errand.tries += 1
        headers = {"X-Request-Id": errand.request_id}
        if method == "POST":
            headers["Idempotency-Key"] = errand.request_id
        body = dict(errand.body) or None
        answer = self._asked(method, path.format(slug=errand.slug), headers=headers, json=body)
        self._journal.count_request(was_lost=answer is None)
        if answer is None:
            errand.was_lost = True
            return None
        return self._read(errand, answer)

    def is_busy(self, slug: str) -> bool | None:
        """Whether an operation of the tenant runs. None: nobody says."""
        answer = self._asked("GET", f"/tenants/{slug}", headers={})
        if answer is None or answer.status_code != 200:
            return None
        operation = answer.json().get("operation")
        return bool(operation and operation["status"] == "running")

    def _asked(self, method: str, path: str, *, headers: dict[str, str], **options: Any) -> requests.Response | None:
        self._turn += 1
        url = self._urls[self._turn % len(self._urls)]
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        try:
            answer: requests.Response = session.request(
                method, url + path, headers=self._headers | headers, timeout=TIMEOUTS, **options
            )
        except requests.RequestException:
            return None
        return answer

    def _read(self, errand: Errand, answer: requests.Response) -> Entry | None:
        errand.last_status = answer.status_code
        said = _json(answer)
        if answer.ok:
            operation = said.get("operation") or {}
            wants = errand.move not in ("rename", "change domains") or answer.status_code == 202
            return _entry(errand, "accepted", None, operation.get("_id") if wants else None)
        code = said.get("code")
        if answer.status_code >= 500:
            # whether it was carried out is not said: a commit's outcome may be unknown to the API as well
            errand.was_lost = True
        if answer.status_code >= 500 and answer.status_code not in LATER:
            self._journal.note_shock(f"{errand.move} of {errand.slug} was answered {answer.status_code}: {said}")
        if answer.status_code >= 500 or answer.status_code in LATER or code == KEY_IN_PROGRESS:
            return None
        return _entry(errand, "unclear" if errand.was_lost else "refused", code, None)


def given_up(errand: Errand) -> Entry:
    """The end of an errand that nobody answered."""
    return _entry(errand, "unclear", "never answered", None)


def _entry(errand: Errand, answered: Any, code: str | None, operation: str | None) -> Entry:
    return Entry(
        errand.slug, errand.move, errand.request_id, answered, errand.last_status, code, operation, errand.body
    )


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
