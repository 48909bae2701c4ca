"""Helpers of the tests of the OCIS steps: a client for a simulator, and its spaces."""

from __future__ import annotations

from requests.auth import HTTPBasicAuth

from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.ocis.spaces import Space
from tests.simulators import API_TOKEN
from worker.http.json_client import JsonClient
from worker.integrations.ocis.client import OcisClient


def client(ocis: OcisSimulator, username: str = "provisioner", *, role_pause: float = 0.02) -> OcisClient:
    """Return a client that signs in as one of the simulator's accounts."""
    api = JsonClient(ocis.url, authorize=HTTPBasicAuth(username, API_TOKEN), call_seconds=3.0)
    return OcisClient(api, role_pause=role_pause)


def spaces(ocis: OcisSimulator) -> list[Space]:
    return list(ocis.storage.spaces.values())


def only(ocis: OcisSimulator) -> Space:
    """Return the only space that there is."""
    (space,) = spaces(ocis)
    return space


def group_permission(space: Space) -> str:
    """Return the permission of the only group in a space."""
    (found,) = [id_ for id_ in space.grants if id_.startswith("g:")]
    return found


def our_permission(ocis: OcisSimulator, username: str = "provisioner") -> str:
    return f"u:{ocis.people.people[username].id}"


def add_twin(ocis: OcisSimulator, *, manager: str | None = None) -> Space:
    """Create a second space with the ownership marker of the only one."""
    space = only(ocis)
    return ocis.storage.spaces[ocis.add_space("Acme GmbH", space.description, space.alias, manager)]
