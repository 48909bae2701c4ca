"""The simulator of OCIS and OpenCloud: LibreGraph and WebDAV over a storage, behind the proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.simulators.clock import Clock
from sandbox.simulators.ocis.drive_routes import DriveRoutes
from sandbox.simulators.ocis.file_routes import FileRoutes
from sandbox.simulators.ocis.guard import Guard, Outages
from sandbox.simulators.ocis.member_routes import MemberRoutes
from sandbox.simulators.ocis.people import People
from sandbox.simulators.ocis.people_routes import AppTokenRoutes, PeopleRoutes
from sandbox.simulators.ocis.proxy import Proxy
from sandbox.simulators.ocis.responses import no_such_page, ocis_status, opencloud_status, plain
from sandbox.simulators.ocis.spaces import Space, Storage
from sandbox.simulators.server import Simulator
from sandbox.simulators.state_faults import Container


class OcisSimulator(Simulator):
    """Own faults: `storage_down` (lists are empty, all else not found), `graph_down` (500, empty), `idp_down` (401 to
    new tokens), `role_lost` (the caller counts as a plain user), `role_pending` (the caller has no role yet),
    `proxy_page` (the front proxy answers 404 itself), `create_then_500` (a space without members), `second_creator` (a
    twin appears before our create), `mfa`, `members_hidden` (no drive shows its members).

    `opencloud`: behave as OpenCloud does. `read_only_directory`: no groups can be created. `role_delays`: seconds by
    username until the account has its role after its first sign-in; creates of spaces fail by turns meanwhile.
    """

    product = "ocis"
    own_faults = frozenset(
        {
            *("storage_down", "graph_down", "idp_down", "role_lost", "role_pending", "proxy_page"),
            *("create_then_500", "second_creator", "mfa", "members_hidden"),
        }
    )

    def __init__(
        self,
        *,
        issuer: str = "https://idp.invalid/",
        jwks_url: str | None = None,
        basic_users: Mapping[str, tuple[str, str]] | None = None,
        max_quota: int = 0,
        opencloud: bool = False,
        read_only_directory: bool = False,
        role_delays: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self._clock = Clock()
        self._basic_users = basic_users or {}
        self.people = People(self._clock)
        self.storage = Storage(self.people, max_quota, opencloud=opencloud)
        role_prefix = "opencloud" if opencloud else "ocis"
        self.proxy = Proxy(
            self.people, self._clock, issuer, jwks_url, self._basic_users, role_prefix, role_delays or {}
        )
        outages = Outages(self.faults)
        guard = Guard(self.proxy, outages)
        for table in (
            PeopleRoutes(self.people, outages, read_only_directory=read_only_directory).table(),
            DriveRoutes(self.storage, outages, opencloud=opencloud).table(),
            MemberRoutes(self.storage, outages).table(),
            FileRoutes(self.storage, outages).table(),
            AppTokenRoutes(self.proxy).table(),
        ):
            guard.add_routes(self.app.router, table)
        self.app.router.add_get("/status.php", opencloud_status if opencloud else ocis_status)
        self.app.router.add_route("*", "/{rest:.*}", no_such_page)

    def reset(self) -> None:
        self._clock.reset()
        self.people.clear()
        self.storage.spaces.clear()
        self.storage.unlisted.clear()
        self.proxy.forget_tokens()

    def containers(self) -> Sequence[Container]:
        people = self.people
        return (people.people, people.groups, people.group_ids, people.members, self.storage.spaces)

    def current_state(self) -> dict[str, Any]:
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
            "unlist_space": self.storage.unlisted.add,
            "add_group": self.people.add_group,
            "add_member": self.add_member,
        }

    def add_space(self, name: str, description: str = "", alias: str = "", manager: str | None = None) -> str:
        """Create a space as somebody else would; without a manager it has no members."""
        grants = {f"u:{self.people.people[manager].id}": "manager"} if manager else {}
        space = Space(name, alias or f"project/{name.lower()}", description, 0, grants)
        self.storage.spaces[space.id] = space
        return space.id

    def add_member(self, group: str, username: str) -> None:
        """Add a person to a group, and create the person if the name is unknown."""
        id_, _ = self.people.group(group)
        self.people.members[id_].add(self.people.person(username, "User").id)
