"""Fixtures of the contract tests: each product as a fresh install, or as an operator has prepared it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.simulators.authentik.oidc import OidcClient
from sandbox.simulators.authentik.records import Token
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from tests.contracts.authentik_browser import OAuthClient, Person
from tests.contracts.authentik_objects import APPLICATIONS, GROUPS, USERS, Made, Make, Prepared
from tests.contracts.jmap_calls import Jmap
from tests.contracts.ocis_objects import Spaces
from tests.contracts.real_or_simulator import Server, real_server, unique
from tests.contracts.smtp_calls import Mail
from tests.simulators import PERMISSIONS

TOKEN, LIMITED = "contract", "limited"


@pytest.fixture(scope="module")
def authentik_api() -> Iterator[Server]:
    """A superuser's way in."""
    real = real_server("AUTHENTIK")
    if real is not None:
        yield real
        return
    clients = (OidcClient("portal", "portal", "portal-secret"),)
    simulator = _simulated(clients)
    with simulator.running():
        yield Server(simulator.url, token=TOKEN)


def _simulated(clients: tuple[OidcClient, ...] = ()) -> AuthentikSimulator:
    simulator = AuthentikSimulator(api_token=TOKEN, admin_group="admins", clients=clients)
    account = simulator.directory.add_user({"username": "dezky-provisioner", "type": "service_account"})
    simulator.state.tokens.add(Token("dezky-provisioner", account.pk, permissions=PERMISSIONS, key=LIMITED))
    return simulator


@pytest.fixture(scope="module")
def limited_api(authentik_api: Server) -> Server:
    """The platform's own account with the documented permissions, on a real server AUTHENTIK_TEST_LIMITED_TOKEN."""
    if real_server("AUTHENTIK") is None:
        return authentik_api.caller(token=LIMITED)
    token = os.environ.get("AUTHENTIK_TEST_LIMITED_TOKEN")
    if token is None:
        pytest.skip("AUTHENTIK_TEST_LIMITED_TOKEN is not set")
    return authentik_api.caller(token=token)


@pytest.fixture
def new_client(authentik_api: Server, made: Made) -> Callable[..., OAuthClient]:
    return lambda **options: OAuthClient(authentik_api, made, **options)


@pytest.fixture
def new_person(authentik_api: Server, made: Made) -> Callable[..., Person]:
    return lambda **fields: Person(authentik_api, made, **fields)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    """A real server is prepared when AUTHENTIK_TEST_FLOW, _FLOW_SLUG and _EMAIL_STAGE say how; else skipped."""
    real = real_server("AUTHENTIK")
    if real is not None:
        given = [os.environ.get(f"AUTHENTIK_TEST_{name}") for name in ("FLOW", "FLOW_SLUG", "EMAIL_STAGE")]
        if None in given:
            pytest.skip("this server is not prepared for invitations")
        yield Prepared(real, *(str(one) for one in given))
        return
    simulator = _simulated()
    invitations = simulator.state.invitations
    invitations.set_recovery_flow("recovery")
    flow, stage = invitations.add_flow("enrolment"), invitations.add_email_stage()
    with simulator.running():
        yield Prepared(Server(simulator.url, token=TOKEN), flow, "enrolment", stage)


@pytest.fixture
def made(authentik_api: Server) -> Iterator[Made]:
    maker = Made(authentik_api)
    yield maker
    maker.clean()


@pytest.fixture
def new_user(made: Made) -> Make:
    return lambda **fields: made(USERS, **{"username": unique("person"), "name": "Person", **fields})


@pytest.fixture
def new_group(made: Made) -> Make:
    return lambda **fields: made(GROUPS, **{"name": unique("contract"), **fields})


@pytest.fixture
def new_application(made: Made) -> Make:
    def make(**fields: Any) -> Any:
        slug = unique("contract")
        return made(APPLICATIONS, key="slug", **{"name": slug, "slug": slug, **fields})

    return make


@pytest.fixture(scope="module")
def stalwart_simulator() -> Iterator[StalwartSimulator | None]:
    """The simulator, unless a real server is named."""
    if real_server("STALWART") is not None:
        yield None
        return
    recovery = ("admin", "contract-recovery")
    with StalwartSimulator(api_key="API_contract", recovery_admin=recovery, dkim_delay=0.1).running() as simulator:
        assert isinstance(simulator, StalwartSimulator)
        yield simulator


@pytest.fixture(scope="module")
def stalwart_api(stalwart_simulator: StalwartSimulator | None) -> Server:
    """Stalwart, called as a system administrator."""
    real = real_server("STALWART")
    if real is not None or stalwart_simulator is None:
        assert real is not None
        return real
    return Server(stalwart_simulator.url, token="API_contract")


@pytest.fixture
def stalwart_recovery(stalwart_api: Server) -> Jmap:
    """Stalwart, called as its recovery administrator: on a real server STALWART_TEST_RECOVERY (name:password)."""
    given = os.environ.get("STALWART_TEST_RECOVERY") if real_server("STALWART") else "admin:contract-recovery"
    if given is None:
        pytest.skip("STALWART_TEST_RECOVERY is not set")
    name, _, secret = given.partition(":")
    return Jmap(stalwart_api.caller(basic=(name, secret)))


@pytest.fixture(scope="module")
def stalwart_smtp(stalwart_simulator: StalwartSimulator | None) -> Mail:
    """Stalwart's SMTP. A real server's is STALWART_TEST_SMTP, and STALWART_TEST_SUBMISSION to sign in (host:port)."""
    if stalwart_simulator is not None:
        address = stalwart_simulator.smtp_url.removeprefix("smtp://")
        return Mail(address, address)
    given = [os.environ.get(f"STALWART_TEST_{name}") for name in ("SMTP", "SUBMISSION")]
    if given[0] is None:
        pytest.skip("STALWART_TEST_SMTP is not set")
    return Mail(given[0], given[1])


@pytest.fixture
def jmap(stalwart_api: Server) -> Iterator[Jmap]:
    calls = Jmap(stalwart_api)
    yield calls
    calls.clean()


#: part of the variables' names, and the role of the account. The first is what the platform itself needs
OCIS_ROLES = {"": "Space Admin", "_ADMIN": "Admin", "_PLAIN": "User"}
MAX_QUOTA = 10**12


@pytest.fixture(scope="module", params=["OCIS", "OPENCLOUD"])
def ocis_product(request: pytest.FixtureRequest) -> str:
    """Return the product under test, as the names of its variables begin."""
    return str(request.param)


@pytest.fixture(scope="module")
def ocis_accounts(ocis_product: str) -> Iterator[dict[str, Server | None]]:
    """Yield the accounts by their part of the variables' names; of a real server those that are set."""
    if real_server(ocis_product) is not None:
        yield {name: real_server(ocis_product + name) for name in OCIS_ROLES}
        return
    users = {f"account{name.lower()}": ("contract", role) for name, role in OCIS_ROLES.items()}
    is_opencloud = ocis_product == "OPENCLOUD"
    with OcisSimulator(basic_users=users, opencloud=is_opencloud, max_quota=MAX_QUOTA).running() as simulator:
        yield {name: Server(simulator.url, basic=(f"account{name.lower()}", "contract")) for name in OCIS_ROLES}


@pytest.fixture
def spaces(ocis_accounts: dict[str, Server | None]) -> Iterator[Spaces]:
    """Yield the account that the platform uses: an administrator of spaces only."""
    yield from _spaces(ocis_accounts[""])


@pytest.fixture
def admin(ocis_accounts: dict[str, Server | None]) -> Iterator[Spaces]:
    """Yield an administrator with all permissions, who is another person."""
    yield from _spaces(ocis_accounts["_ADMIN"])


@pytest.fixture
def plain_user(ocis_accounts: dict[str, Server | None]) -> Iterator[Spaces]:
    """Yield a person without any administrative role."""
    yield from _spaces(ocis_accounts["_PLAIN"])


def _spaces(server: Server | None) -> Iterator[Spaces]:
    if server is None:
        pytest.skip("this server has no such account")
    account = Spaces(server)
    yield account
    account.clean()
