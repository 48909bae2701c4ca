"""Authentik's management API, version 3, put together: every route by its subject, and what is none."""

from __future__ import annotations

from aiohttp import web

from sandbox.simulators.authentik.answers import config, empty, no_such_page
from sandbox.simulators.authentik.application_routes import ApplicationRoutes
from sandbox.simulators.authentik.group_routes import GroupRoutes
from sandbox.simulators.authentik.guard import BASE, Guard
from sandbox.simulators.authentik.invitation_routes import InvitationRoutes
from sandbox.simulators.authentik.token_routes import TokenRoutes
from sandbox.simulators.authentik.user_routes import UserRoutes
from sandbox.simulators.authentik.world import World
from sandbox.simulators.faults import FaultPlan


def add_routes(router: web.UrlDispatcher, world: World, faults: FaultPlan) -> None:
    """All of the API over one world."""
    directory, invitations = world.directory, world.invitations
    tables = [
        GroupRoutes(directory, world.access, faults).table(),
        UserRoutes(directory, invitations, world.tokens, faults).table(),
        ApplicationRoutes(directory, world.access).table(),
        InvitationRoutes(directory, invitations).table(),
        TokenRoutes(directory, world.tokens).table(),
    ]
    guard = Guard(directory, world.tokens)
    for table in tables:
        guard.add_routes(router, table)
    router.add_get("/-/health/{which:live|ready}/", empty)
    router.add_get(f"{BASE}/root/config/", config)
    router.add_route("*", "/api/{rest:.*}", no_such_page)
