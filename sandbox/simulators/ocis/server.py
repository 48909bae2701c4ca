"""OCIS's stand-in, put together: LibreGraph over a storage, behind the proxy, and what operators may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.simulators.clock import Clock
from sandbox.simulators.keeping import Holding
from sandbox.simulators.ocis.answers import no_such_page, plain, status
from sandbox.simulators.ocis.drive_routes import DriveRoutes
from sandbox.simulators.ocis.guard import Guard, Outages
from sandbox.simulators.ocis.member_routes import MemberRoutes
from sandbox.simulators.ocis.people import People
from sandbox.simulators.ocis.people_routes import PeopleRoutes
from sandbox.simulators.ocis.proxy import Proxy
from sandbox.simulators.ocis.spaces import Space, Storage
from sandbox.simulators.server import StandIn


class OcisStandIn(StandIn):
    """Own faults: `storage_down` (lists are empty, all else not found), `graph_down` (500, empty), `idp_down` (401),
    `role_lost` (the caller counts as a plain user), `create_then_500` (a space without members), `second_creator` (a
    twin appears before our create), `mfa`."""

    product = "ocis"
    own_faults = frozenset(
        {"storage_down", "graph_down", "idp_down", "role_lost", "create_then_500", "second_creator", "mfa"}
    )

    def __init__(
        self,
        *,
        issuer: str = "https://idp.invalid/",
        jwks_url: str | None = None,
        basic_users: Mapping[str, tuple[str, str]] | None = None,
        max_quota: int = 0,
        opencloud: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed)
        self._clock = Clock()
        self._basic_users = basic_users or {}
        self.people = People(self._clock)
        self.storage = Storage(self.people, max_quota)
        self.proxy = Proxy(self.people, issuer, jwks_url, self._basic_users)
        outages = Outages(self.faults)
        guard = Guard(self.proxy, outages)
        for table in (
            PeopleRoutes(self.people, outages).table(),
            DriveRoutes(self.storage, outages, opencloud=opencloud).table(),
            MemberRoutes(self.storage, outages).table(),
        ):
            guard.add_routes(self.app.router, table)
        self.app.router.add_get("/status.php", status)
        self.app.router.add_route("*", "/{rest:.*}", no_such_page)

    def reset(self) -> None:
        self._clock.reset()
        self.people.clear()
        self.storage.spaces.clear()
        self.proxy.forget_tokens()

    def holdings(self) -> Sequence[Holding]:
        people = self.people
        return (people.people, people.groups, people.group_ids, people.members, self.storage.spaces)

    def snapshot(self) -> dict[str, Any]:
        names = {person.id: person.username for person in self.people.people.values()}
        return {
            "spaces": [plain(space) for space in self.storage.spaces.values()],
            "groups": self.people.groups,
            "members": {
                self.people.groups[id_]: sorted(names[one] for one in held) for id_, held in self.people.members.items()
            },
        }

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "allow_token": self.proxy.allow_token,
            "forget_tokens": self.proxy.forget_tokens,
            "advance": self._clock.advance,
            "set_role": self.people.set_role,
            "add_space": self.add_space,
            "add_group": self.people.add_group,
            "add_member": self.add_member,
        }

    def add_space(self, name: str, description: str = "", alias: str = "", manager: str | None = None) -> str:
        """A space made behind our back; without a manager it has no members at all."""
        grants = {f"u:{self.people.people[manager].id}": "manager"} if manager else {}
        space = Space(name, alias or f"project/{name.lower()}", description, 0, grants)
        self.storage.spaces[space.id] = space
        return space.id

    def add_member(self, group: str, username: str) -> None:
        """Put a person, made when absent, into a group."""
        id_, _ = self.people.group(group)
        self.people.members[id_].add(self.people.person(username, "User").id)
