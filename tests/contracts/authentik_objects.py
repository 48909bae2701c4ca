"""Share between contract tests of Authentik: paths, objects that are deleted again, a prepared server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contracts.real_or_simulator import Server

Make = Callable[..., Any]
GROUPS, USERS = "/api/v3/core/groups/", "/api/v3/core/users/"
APPLICATIONS, BINDINGS = "/api/v3/core/applications/", "/api/v3/policies/bindings/"
INVITATIONS, TOKENS = "/api/v3/stages/invitation/invitations/", "/api/v3/core/tokens/"


@dataclass(frozen=True)
class Prepared:
    """An Authentik whose brand has a recovery flow, with an enrolment flow and an e-mail stage (their uuids)."""

    server: Server
    flow: str
    flow_slug: str
    email_stage: str


class Made:
    """Create objects of Authentik for a test and delete them at its end: `made(path, **body)` returns the object."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._paths: list[str] = []

    def __call__(self, path: str, *, key: str = "pk", **body: Any) -> Any:
        answer = self._server("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        self._paths.append(f"{path}{answer.json()[key]}/")
        return answer.json()

    def also(self, path: str) -> None:
        """Take this away too."""
        self._paths.append(path)

    def clean(self) -> None:
        for path in reversed(self._paths):
            self._server("DELETE", path)
