"""Check the mail step where proofs are required: it sets up proven domains, names the others, and removes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import Result
from tests.simulators import MakeStep, Saved, mail_treatment
from tests.worker.test_mail import client, objects, sets
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.step_context import StepContext


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


def proven(step: StepContext, *names: str) -> StepContext:
    """Return the same work where proofs are required and these domains are proven."""
    return replace(step, proven=frozenset(names))


def test_with_proofs_required_nothing_is_set_up_before_the_first_proof(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    outcome = ensure_mail(proven(make_step("stalwart", domains=("acme.test", "acme.org"))), mail)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "domains_unverified")
    assert outcome.notes == {"waiting_for_proof": "acme.test, acme.org"}
    assert (sets(stalwart), saved) == ([], {})


def test_only_proven_domains_are_set_up_and_the_waiting_ones_are_named(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    domains = ("acme.test", "acme.org", "acme.net")
    outcome = ensure_mail(proven(make_step("stalwart", domains=domains), "acme.org"), mail)
    assert (outcome.result, outcome.notes) == (Result.OK, {"waiting_for_proof": "acme.test, acme.net"})
    assert [one["name"] for one in objects(stalwart, "Domain")] == ["acme.org"]
    assert saved["stalwartDomainId"] == objects(stalwart, "Domain")[0]["id"]
    outcome = ensure_mail(proven(make_step("stalwart", domains=domains), *domains), mail)
    assert (outcome.result, outcome.notes) == (Result.OK, {})
    assert [entry["domain"] for entry in saved["stalwartDomains"]] == list(domains)
    assert {record["domain"] for record in saved["dnsRecords"]} == set(domains)
    assert saved["stalwartDomainId"] == saved["stalwartDomains"][0]["id"]


def test_records_of_a_removed_domain_are_dropped_although_all_other_domains_wait(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "acme.org")), mail)
    outcome = ensure_mail(proven(make_step("stalwart", domains=("acme.org",))), mail)
    assert outcome.reason == "domains_unverified"
    assert {record["domain"] for record in saved["dnsRecords"]} == {"acme.org"}


@pytest.mark.parametrize("still", [("acme.org",), ()])
def test_a_domain_whose_proof_is_lost_stays_as_it_was_set_up(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, still: tuple[str, ...]
) -> None:
    domains = ("acme.test", "acme.org")
    ensure_mail(make_step("stalwart", domains=domains), mail)
    before = {name: value for name, value in saved.items() if name != "dnsRecords"}
    records = sorted(map(str, saved["dnsRecords"]))
    stalwart.journal.clear()
    ensure_mail(proven(make_step("stalwart", domains=domains), *still), mail)
    assert sets(stalwart) == []
    assert saved.items() >= before.items()
    assert sorted(map(str, saved["dnsRecords"])) == records
    assert set(mail_treatment(stalwart).values()) == {"delivered"}


def test_a_domain_whose_proof_is_lost_accepts_mail_again_after_a_suspension(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    assert mail_treatment(stalwart) == {"acme.test": "refused"}
    ensure_mail(proven(make_step("stalwart")), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}


def test_a_dry_run_reports_the_same_and_changes_nothing(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    planned = replace(proven(make_step("stalwart", domains=("acme.test", "acme.org")), "acme.org"), is_dry_run=True)
    outcome = ensure_mail(planned, mail)
    assert outcome.notes == {"waiting_for_proof": "acme.test"}
    assert any("acme.org" in change for change in planned.changes)
    assert not any("acme.test" in change for change in planned.changes)
    assert sets(stalwart) == []
