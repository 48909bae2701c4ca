"""Fixtures: the products' simulators, each fresh for its test, on ports of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.simulators.authentik.oidc import OidcClient
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.dns.server import DnsSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.server import Simulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.config.integrations import Plan
from shared.integrations.ownership_marker import MarkerSigner
from shared.tenants.model import Status, Tenant
from worker.integrations.step_context import StepContext

#: makes the context of a step: what the fixture `make_step` returns
MakeStep = Callable[..., StepContext]

API_TOKEN = "api-token-that-must-never-be-logged"
TENANT_ID = "6b058a725d1747cfeba27b12"
OTHER_ID = "6b058a725d1747cfeba27b13"
STAMP_KEYS = ("stamp-key-that-must-never-be-logged",)
CLIENTS = tuple(OidcClient(slug, slug, f"{slug}-secret") for slug in ("portal", "partner", "operator", "ocis"))
#: permissions of the platform's account: those that the blueprint gives its role
BLUEPRINT = Path(__file__).parents[1] / "deploy/authentik/platform.yaml"
PERMISSIONS = frozenset(re.findall(r"^ +- authentik_[a-z_]+\.([a-z_]+)$", BLUEPRINT.read_text(), re.MULTILINE))


@pytest.fixture
def authentik() -> Iterator[AuthentikSimulator]:
    simulator = AuthentikSimulator(api_token=API_TOKEN, admin_group="dezky-platform-admins", clients=CLIENTS)
    with simulator.running():
        yield simulator


@pytest.fixture
def stalwart() -> Iterator[StalwartSimulator]:
    simulator = StalwartSimulator(api_key=API_TOKEN, dkim_delay=0.05)
    with simulator.running():
        yield simulator


@pytest.fixture
def ocis() -> Iterator[OcisSimulator]:
    simulator = OcisSimulator(basic_users={"provisioner": (API_TOKEN, "Admin"), "spaces": (API_TOKEN, "Space Admin")})
    with simulator.running():
        yield simulator


@pytest.fixture
def dns() -> Iterator[DnsSimulator]:
    simulator = DnsSimulator()
    with simulator.running():
        yield simulator


def publish(dns: DnsSimulator, *records: tuple[str, str, str], **options: Any) -> None:
    """Publish records, each (name, type, value)."""
    body = {"records": [{"name": name, "type": type_, "value": value} for name, type_, value in records], **options}
    assert requests.post(f"{dns.url}/__sim/call/publish", json=body, timeout=5).status_code == 200


def withdraw(dns: DnsSimulator, name: str, type_: str | None = None) -> None:
    body = {"name": name, "type_": type_}
    assert requests.post(f"{dns.url}/__sim/call/withdraw", json=body, timeout=5).status_code == 200


def fault(simulator: Simulator, **rule: Any) -> None:
    """Add a fault to a simulator over HTTP."""
    assert requests.post(f"{simulator.url}/__sim/faults", json=rule, timeout=5).status_code == 200


def writes(simulator: Simulator) -> list[str]:
    """Return the requests that may have changed something, as `METHOD path`."""
    return [
        f"{entry['method']} {entry['path']}" for entry in simulator.journal if entry["method"] not in ("GET", "HEAD")
    ]


def mail_treatment(stalwart: StalwartSimulator) -> dict[str, str]:
    """Return what happens to mail to each domain: `delivered`, `bounced` or `refused`."""
    found: dict[str, str] = stalwart.snapshot()["mail_treatment"]
    return found


class Saved(dict[str, Any]):
    """Return the fields that steps saved."""

    def __call__(self, **fields: Any) -> bool:
        self.update(fields)
        return True


@pytest.fixture
def saved() -> Saved:
    return Saved()


@pytest.fixture
def make_step(saved: Saved) -> MakeStep:
    """Create a step's context for a tenant: `make_step("ocis", name="Acme")`; saved values are on record.

    `elsewhere`: ids of objects that other tenants' records name.
    """

    def make(
        product: str,
        *,
        is_first: bool = False,
        is_dry_run: bool = False,
        elsewhere: Collection[str] = (),
        **fields: Any,
    ) -> StepContext:
        on_record = tenant(remote={name: value for name, value in saved.items() if value is not None}, **fields)
        found = Saved() if is_dry_run else saved
        signer = MarkerSigner(product, STAMP_KEYS)
        return StepContext(
            on_record,
            PLAN,
            signer,
            found,
            is_first=is_first,
            is_dry_run=is_dry_run,
            found=found,
            is_recorded_for_another_tenant=lambda id_: id_ in elsewhere,
        )

    return make


PLAN = Plan(mailboxes=10, mail_bytes=10**9, space_bytes=5 * 10**9)


def tenant(**fields: Any) -> Tenant:
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "id": TENANT_ID,
        "slug": "acme",
        "name": "Acme GmbH",
        "status": Status.PENDING,
        "plan": "starter",
        "domains": ("acme.test",),
        "billing_info": None,
        "partner_id": None,
        "provisioning_status": {},
        "provisioning_errors": {},
        "remote": {},
        "operation_id": None,
        "generation": 1,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    return Tenant(**{**given, **fields})
