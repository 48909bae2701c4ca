"""Domain ownership: its proofs, and the state that follows from checks over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domains.dns_records import Check, Presence, Record
from shared.domains.verification import DomainState, Ownership, ProofLimits, ProofMaker
from tests.simulators import OTHER_ID, STAMP_KEYS, TENANT_ID

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MX = Record("acme.test", "MX", "10 mail.platform.test.")
AUTOCONFIG = Record("autoconfig.acme.test", "CNAME", "mail.platform.test.")
GOOD = (Check(MX, Presence.OK), Check(AUTOCONFIG, Presence.OK))
NO_MAIL = (Check(MX, Presence.MISSING), Check(AUTOCONFIG, Presence.OK))
NO_COMFORT = (Check(MX, Presence.OK), Check(AUTOCONFIG, Presence.MISSING))
MAKER = ProofMaker(STAMP_KEYS)
FRESH = Ownership(START)


def test_the_proof_is_a_text_beside_the_domain() -> None:
    record = MAKER.record(TENANT_ID, "acme.test")
    assert (record.name, record.type) == ("_dezky-challenge.acme.test", "TXT")
    key, _, token = record.value.partition("=")
    assert (key, len(token)) == ("dezky-verification", 32)
    assert MAKER.is_proven(TENANT_ID, "acme.test", ["something else", record.value])
    assert MAKER.is_proven(TENANT_ID, "ACME.test", [f' "{record.value}" '])


@pytest.mark.parametrize(("tenant_id", "domain"), [(OTHER_ID, "acme.test"), (TENANT_ID, "acme.org")])
def test_a_proof_proves_nothing_for_another_tenant_or_domain(tenant_id: str, domain: str) -> None:
    assert not MAKER.is_proven(tenant_id, domain, [MAKER.record(TENANT_ID, "acme.test").value])


def test_a_proof_outlives_a_change_of_keys_until_its_key_is_gone() -> None:
    old = MAKER.record(TENANT_ID, "acme.test").value
    rotated = ProofMaker(("new-key", *STAMP_KEYS))
    assert rotated.record(TENANT_ID, "acme.test").value != old
    assert rotated.is_proven(TENANT_ID, "acme.test", [old])
    assert not ProofMaker(("new-key",)).is_proven(TENANT_ID, "acme.test", [old])


def test_texts_that_are_not_ascii_prove_nothing_and_break_nothing() -> None:
    assert not MAKER.is_proven(TENANT_ID, "acme.test", ["dezky-verification=äöü"])


def test_a_domain_is_verified_by_its_proof_and_working_records() -> None:
    seen = FRESH.after_check(START + DAY, True, GOOD)
    assert (seen.state, seen.verified_at, seen.is_proven) == (DomainState.VERIFIED, START + DAY, True)
    assert seen.after_check(START + 2 * DAY, True, GOOD).verified_at == START + DAY


def test_a_verified_domain_with_wrong_mail_records_is_degraded_until_they_are_correct() -> None:
    degraded = FRESH.after_check(START, True, NO_MAIL)
    assert (degraded.state, degraded.is_proven) == (DomainState.DEGRADED, True)
    assert degraded.after_check(START + DAY, True, GOOD).state is DomainState.VERIFIED


def test_a_missing_convenience_degrades_nothing() -> None:
    assert FRESH.after_check(START, True, NO_COMFORT).state is DomainState.VERIFIED


def test_a_domain_that_is_not_proven_in_time_fails_and_may_still_be_proven_later() -> None:
    waiting = FRESH.after_check(START + 13 * DAY, False, ())
    assert waiting.state is DomainState.UNVERIFIED
    failed = waiting.after_check(START + 14 * DAY, False, ())
    assert (failed.state, failed.is_proven) == (DomainState.FAILED, False)
    assert failed.after_check(START + 15 * DAY, True, GOOD).state is DomainState.VERIFIED


def test_a_new_request_for_a_failed_domain_restarts_its_time() -> None:
    failed = FRESH.after_check(START + 14 * DAY, False, ())
    again = failed.after_request(START + 20 * DAY)
    assert again.after_check(START + 21 * DAY, False, ()).state is DomainState.UNVERIFIED
    assert FRESH.after_request(START + DAY) is FRESH


def test_a_vanished_proof_degrades_at_once_and_fails_only_when_it_stays_absent() -> None:
    limits = ProofLimits(lost_proof=3 * DAY)
    verified = FRESH.after_check(START, True, GOOD)
    lost = verified.after_check(START + DAY, False, GOOD, limits)
    assert (lost.state, lost.proof_lost_at) == (DomainState.DEGRADED, START + DAY)
    still = lost.after_check(START + 3 * DAY, False, GOOD, limits)
    assert (still.state, still.proof_lost_at) == (DomainState.DEGRADED, START + DAY)
    assert still.after_check(START + 4 * DAY, False, GOOD, limits).state is DomainState.FAILED
    back = still.after_check(START + 4 * DAY, True, GOOD, limits)
    assert (back.state, back.proof_lost_at) == (DomainState.VERIFIED, None)
