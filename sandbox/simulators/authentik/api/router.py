"""Put the routes of Authentik's management API together."""

from __future__ import annotations

from aiohttp import web

from sandbox.simulators.authentik.api.applications import ApplicationRoutes
from sandbox.simulators.authentik.api.groups import GroupRoutes
from sandbox.simulators.authentik.api.guard import BASE, Guard
from sandbox.simulators.authentik.api.invitations import InvitationRoutes
from sandbox.simulators.authentik.api.providers import ProviderRoutes
from sandbox.simulators.authentik.api.responses import config, empty, no_such_page, version
from sandbox.simulators.authentik.api.sessions import SessionRoutes
from sandbox.simulators.authentik.api.tokens import TokenRoutes
from sandbox.simulators.authentik.api.users import UserRoutes
from sandbox.simulators.authentik.oidc.provider import Oidc
from sandbox.simulators.authentik.state import State
from sandbox.simulators.faults import FaultPlan


def add_routes(router: web.UrlDispatcher, state: State, oidc: Oidc, faults: FaultPlan) -> None:
    """Add every route, and the answer to unknown URLs. The flow executor must be added before."""
    directory, invitations = state.directory, state.invitations
    tables = [
        GroupRoutes(directory, state.access, faults).table(),
        UserRoutes(directory, invitations, state.tokens, faults).table(),
        ApplicationRoutes(directory, state.access).table(),
        InvitationRoutes(directory, invitations).table(),
        TokenRoutes(directory, state.tokens).table(),
        ProviderRoutes(oidc.providers, oidc.key_pairs).table(),
        SessionRoutes(directory, oidc.sessions).table(),
    ]
    guard = Guard(directory, state.tokens)
    guard.add_routes(router, [("GET", "/admin/version/", None, version)])
    for table in tables:
        guard.add_routes(router, table)
    router.add_get("/-/health/{which:live|ready}/", empty)
    router.add_get(f"{BASE}/root/config/", config)
    router.add_route("*", "/api/{rest:.*}", no_such_page)
