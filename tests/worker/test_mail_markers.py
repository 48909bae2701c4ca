"""A person edits the description of a mail domain: the record and the name tell that it is the tenant's."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import PermanentError, Result
from shared.integrations.ownership_marker import MarkerSigner
from tests.platform_fixture import PlatformFixture
from tests.simulators import OTHER_ID, STAMP_KEYS, TENANT_ID, MakeStep, Saved, mail_treatment
from tests.worker.test_mail import control, objects, sets
from tests.worker.test_mail_refusal import client
from worker import ownership_markers
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.provision import ensure_mail

SIGNER = MarkerSigner("stalwart", STAMP_KEYS)


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


def edit(stalwart: StalwartSimulator, saved: Saved, **patch: str) -> None:
    control(stalwart, "update", kind="Domain", id_=saved["stalwartDomainId"], patch=patch)


@pytest.mark.parametrize("is_closed", [False, True], ids=["reconcile", "resume"])
def test_a_marker_that_was_overwritten_is_written_back_and_reported(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, is_closed: bool
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    edit(stalwart, saved, description="Our own")
    if is_closed:
        close_mail(make_step("stalwart"), mail)
    planned, run = make_step("stalwart", is_dry_run=True), make_step("stalwart")
    for step in (planned, run):
        assert ensure_mail(step, mail).result is Result.OK
        assert "set description of the mail domain acme.test; its ownership marker is written back" in step.changes
    assert SIGNER.tenant_id(objects(stalwart, "Domain")[0]["description"]) == TENANT_ID
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}
    again = make_step("stalwart")
    ensure_mail(again, mail)
    assert again.changes == []


@pytest.mark.parametrize("claim", ["marker", "record", "name"])
def test_a_domain_on_record_that_may_be_another_tenants_is_not_adopted(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, claim: str
) -> None:
    """Another server may have taken the place of the first one, and counts its ids anew."""
    ensure_mail(make_step("stalwart"), mail)
    edit(stalwart, saved, description=SIGNER.text(OTHER_ID) if claim == "marker" else "Our own")
    if claim == "name":
        edit(stalwart, saved, name="other.test")
    elsewhere = [saved["stalwartDomainId"]] if claim == "record" else []
    stalwart.journal.clear()
    reason = "marker_removed" if claim == "name" else "taken"
    with pytest.raises(PermanentError, match=reason):
        ensure_mail(make_step("stalwart", elsewhere=elsewhere), mail)
    assert sets(stalwart) == []


def test_a_command_prints_the_marker_of_mail_domains_and_writes_it_back(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    domain = {"kind": "Domain", "id_": tenant.remote["stalwartDomainId"]}
    signer = MarkerSigner("stalwart", platform.settings.stamp_key_texts)

    def command(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(ownership_markers.main, arguments, obj=platform.settings)
        return result.exit_code, result.output

    def described() -> str:
        return str(objects(platform.stalwart, "Domain")[0]["description"])

    assert command("show", "acme", "stalwart") == (0, f"{signer.text(tenant.id)}\n")
    assert "already" in command("repair", "acme", "stalwart")[1]
    lost = {"stalwartClosedDomains": [{"domain": "lost.test", "id": "zzz"}]}
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$set": lost})
    assert "Stalwart does not show lost.test" in command("repair", "acme", "stalwart")[1]
    control(platform.stalwart, "update", **domain, patch={"description": "Our own", "name": "renamed.test"})
    assert "renamed.test" in command("repair", "acme", "stalwart")[1]
    assert described() == f"Our own {signer.text(tenant.id)}"
    foreign = signer.text("f" * 24)
    control(platform.stalwart, "update", **domain, patch={"description": foreign})
    code, output = command("repair", "acme", "stalwart")
    assert (code, "another tenant's marker" in output, described()) == (1, True, foreign)


def test_the_command_names_the_setting_of_a_product_that_is_not_configured(platform: PlatformFixture) -> None:
    platform.grown("acme")
    settings = platform.settings.model_copy(update={"stalwart_api_url": None})
    result = CliRunner().invoke(ownership_markers.main, ["repair", "acme", "stalwart"], obj=settings)
    assert (result.exit_code, "set STALWART_API_URL" in result.output) == (1, True)
