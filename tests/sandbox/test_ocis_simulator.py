"""Check the OCIS simulator: outages, a role that is lost and assigned, groups that come by sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from tests.contracts.ocis_objects import V1, Spaces
from tests.contracts.real_or_simulator import Server
from tests.simulators import API_TOKEN, fault


def account(simulator: OcisSimulator, username: str = "provisioner") -> Spaces:
    return Spaces(Server(simulator.url, basic=(username, API_TOKEN)))


def control(simulator: OcisSimulator, name: str, /, **arguments: Any) -> Any:
    answer = requests.post(f"{simulator.url}/__sim/call/{name}", json=arguments, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


class SignIns:
    """Users who sign in at the identity provider and call OCIS with its tokens."""

    def __init__(self, idp: AuthentikSimulator, ocis: OcisSimulator) -> None:
        self._idp = idp
        self.ocis = ocis

    def anna(self, *groups: str, role: str = "ocisUser") -> Spaces:
        """With a new token, in these groups."""
        self._idp.ensure_person("anna", "of-anna", "Anna", "anna@acme.test", groups, [role])
        form = {"grant_type": "client_credentials", "client_id": "ocis", "username": "anna", "password": "of-anna"}
        scope = {"scope": "openid profile email entitlements"}
        answer = requests.post(f"{self._idp.url}/application/o/token/", data=form | scope, timeout=10)
        return Spaces(Server(self.ocis.url, token=answer.json()["access_token"]))


@pytest.fixture
def sign_ins(authentik: AuthentikSimulator) -> Iterator[SignIns]:
    users = {"provisioner": (API_TOKEN, "Admin")}
    with OcisSimulator(issuer=f"{authentik.url}/application/o/ocis/", basic_users=users).running() as simulator:
        assert isinstance(simulator, OcisSimulator)
        yield SignIns(authentik, simulator)


def test_with_the_storage_down_every_space_is_absent_and_only_our_own_drive_shows_it(ocis: OcisSimulator) -> None:
    us = account(ocis)
    space = us.create()
    fault(ocis, kind="storage_down")
    assert not us.lists(space)
    assert [us.get(space).status_code, us.members(space).status_code] == [404, 404]
    assert us("GET", f"{V1}/me/drive").status_code == 404
    for answer in (us.disable(space), us.purge(space), us.restore(space)):
        assert answer.status_code == 500
    assert us("POST", f"{V1}/drives", json={"name": "x"}).status_code == 500
    requests.delete(f"{ocis.url}/__sim/faults", timeout=5)
    assert us.lists(space)


def test_with_our_role_lost_spaces_are_absent_although_our_own_drive_is_there(ocis: OcisSimulator) -> None:
    us = account(ocis)
    foreign = control(ocis, "add_space", name="Foreign")
    ours = us.create()
    fault(ocis, kind="role_lost")
    assert (us.lists(foreign), us.lists(ours)) == (False, True)
    assert [us.get(foreign).status_code, us.purge(foreign).status_code] == [404, 404]
    assert us("GET", f"{V1}/me/drive").status_code == 200
    assert us("POST", f"{V1}/drives", json={"name": "x"}).status_code == 403
    assert foreign in ocis.storage.spaces


def test_a_role_assigned_in_ocis_counts_at_once(ocis: OcisSimulator) -> None:
    admin, other = account(ocis), account(ocis, "spaces")
    foreign = control(ocis, "add_space", name="Foreign")
    principal = other.own_id()
    assert other.lists(foreign)
    application = admin("GET", f"{V1}/applications").json()["value"][0]["id"]
    plain = "d7beeea8-8ff4-406b-8fb6-ab2dd81e6b11"
    body = {"appRoleId": plain, "principalId": principal, "resourceId": application}
    assert admin("POST", f"{V1}/users/{principal}/appRoleAssignments", json=body).status_code == 201
    assert not other.lists(foreign)
    assert other("POST", f"{V1}/users/{principal}/appRoleAssignments", json=body).status_code == 403
    control(ocis, "set_role", username="spaces", role="Space Admin")
    assert other.lists(foreign)


def test_members_come_by_their_groups_and_go_with_them_at_a_later_sign_in(sign_ins: SignIns) -> None:
    us = account(sign_ins.ocis)
    space = us.create()
    assert sign_ins.anna("tenant-acme")("GET", f"{V1}/me").status_code == 200
    group = us("GET", f"{V1}/groups/tenant-acme").json()["id"]
    assert us.invite(space, group, "editor", kind="group").status_code == 200
    assert sign_ins.anna("tenant-acme").lists(space)
    assert sign_ins.anna().lists(space)  # memberships are read again only after a while
    control(sign_ins.ocis, "advance", seconds=301)
    assert not sign_ins.anna().lists(space)


def test_a_role_from_a_new_token_replaces_the_previous_one(sign_ins: SignIns) -> None:
    foreign = control(sign_ins.ocis, "add_space", name="Foreign")
    old = sign_ins.anna(role="ocisSpaceAdmin")
    assert old.lists(foreign)
    assert not sign_ins.anna(role="ocisUser").lists(foreign)
    assert not old.lists(foreign)


def test_a_token_without_a_known_role_is_a_500_without_a_body(sign_ins: SignIns) -> None:
    answer = sign_ins.anna(role="nothing")("GET", f"{V1}/me")
    assert (answer.status_code, answer.content) == (500, b"")


def test_a_space_whose_making_failed_half_way_has_no_members_and_can_only_be_purged(ocis: OcisSimulator) -> None:
    us = account(ocis)
    fault(ocis, kind="create_then_500", count=1)
    assert us("POST", f"{V1}/drives", json={"name": "half"}).status_code == 500
    (half,) = [one["id"] for one in us("GET", f"{V1}/drives").json()["value"] if one["name"] == "half"]
    assert us.members(half).status_code == 404
    assert [us.disable(half).status_code, us.purge(half).status_code] == [204, 204]
