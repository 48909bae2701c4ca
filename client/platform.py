"""The entry of the client: one object for one API and one caller, with an attribute for each resource."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from client.connection import Connection, Tokens
from client.models import Plan
from client.operator_models import Status
from client.resources.events import Events
from client.resources.operations import BulkOperations, Operations
from client.resources.orphans import Orphans
from client.resources.people import Partners, Subscriptions, Users
from client.resources.service import Diagnostics
from client.resources.switches import Integrations, ObserveOnlyMode, PurgeQuotas
from client.resources.tenants import Domains, Tenants
from client.resources.webhooks import Webhooks
from client.responses import Response
from client.sign_in.tokens import GivenToken
from client.transport import DEFAULT_RETRIES, open_session


class Platform:
    """The platform's API at `url`, for one caller.

    `tokens`: a bearer token, or a source of tokens from `client.sign_in`. `ca_certs`: a PEM file of certificate
    authorities to trust besides the system's. `session`: one from `open_session`, to share connections among several
    callers; without it a new one is opened. `retries`: retries of a failed GET or POST, if no session is given. All
    methods raise ApiError, Unreachable and NotSignedIn.
    """

    def __init__(
        self,
        url: str,
        tokens: str | Tokens,
        *,
        ca_certs: Path | None = None,
        session: requests.Session | None = None,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        source = GivenToken(tokens) if isinstance(tokens, str) else tokens
        self.url = url.rstrip("/")
        self.connection = Connection(self.url, session or open_session(ca_certs, retries=retries), source)

    @cached_property
    def tenants(self) -> Tenants:
        return Tenants(self.connection)

    @cached_property
    def domains(self) -> Domains:
        return Domains(self.connection)

    @cached_property
    def operations(self) -> Operations:
        return Operations(self.connection)

    @cached_property
    def bulk_operations(self) -> BulkOperations:
        return BulkOperations(self.connection)

    @cached_property
    def users(self) -> Users:
        return Users(self.connection)

    @cached_property
    def partners(self) -> Partners:
        return Partners(self.connection)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        return Subscriptions(self.connection)

    @cached_property
    def events(self) -> Events:
        return Events(self.connection)

    @cached_property
    def webhooks(self) -> Webhooks:
        return Webhooks(self.connection)

    @cached_property
    def integrations(self) -> Integrations:
        return Integrations(self.connection)

    @cached_property
    def observe_only(self) -> ObserveOnlyMode:
        return ObserveOnlyMode(self.connection)

    @cached_property
    def purges(self) -> PurgeQuotas:
        return PurgeQuotas(self.connection)

    @cached_property
    def orphans(self) -> Orphans:
        return Orphans(self.connection)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        return Diagnostics(self.connection)

    def status(self) -> Response[Status]:
        """Read the current problems within the caller's scope."""
        return self.connection.get("/status", kind=dict)

    def plans(self) -> list[Plan]:
        """Read the catalogue of plans with their quotas."""
        found: list[Plan] = self.connection.get("/plans", kind=list).data
        return found

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Response[Any]:
        """Send any request, for a route without a method in this client. `options`: params, headers, timeout."""
        return self.connection.request(method, path, body, **options)
