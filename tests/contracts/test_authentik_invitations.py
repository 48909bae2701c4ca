"""Test recovery links and mails, invitations, and a brand that has no recovery flow.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token). Tests that need a
brand with a recovery flow are skipped there unless AUTHENTIK_TEST_FLOW (the uuid of an enrolment flow), _FLOW_SLUG and
_EMAIL_STAGE (a uuid) are set; then mail is really sent, to addresses that do not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.contracts.authentik_objects import INVITATIONS, USERS, Made, Make, Prepared
from tests.contracts.real_or_simulator import Server, unique

NO_FLOW = {"non_field_errors": "No recovery flow set."}


@pytest.fixture
def ready(prepared: Prepared) -> Iterator[Made]:
    maker = Made(prepared.server)
    yield maker
    maker.clean()


@pytest.fixture
def owner(ready: Made) -> Any:
    return ready(USERS, username=unique("owner"), name="Owner", email=f"{unique('owner')}@acme.test")


def test_without_a_recovery_flow_there_is_no_link_even_for_an_unknown_user(
    authentik_api: Server, new_user: Make
) -> None:
    answers = [authentik_api("POST", f"{USERS}{pk}/recovery/", json={}) for pk in (new_user()["pk"], 2_000_000_000)]
    if answers[0].status_code == 200:
        pytest.skip("the brand of this server has a recovery flow")
    assert [(answer.status_code, answer.json()) for answer in answers] == [(400, NO_FLOW)] * 2


def test_a_recovery_link_is_stable_and_has_the_requests_host(prepared: Prepared, owner: Any) -> None:
    path = f"{USERS}{owner['pk']}/recovery/"
    bodies: list[dict[str, str]] = [{}, {"token_duration": "days=3"}, {"token_duration": "days=1;hours=2"}]
    answers = [prepared.server("POST", path, json=body) for body in bodies]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["link"] for answer in answers}) == 1
    link = urlsplit(answers[0].json()["link"])
    assert f"{link.scheme}://{link.netloc}" == prepared.server.url
    assert link.path.startswith("/if/flow/")
    assert parse_qs(link.query)["flow_token"]
    elsewhere = prepared.server("POST", path, json={}, headers={"Host": "login.platform.test"})
    if elsewhere.status_code == 200:
        assert urlsplit(elsewhere.json()["link"]).netloc == "login.platform.test"


def test_a_duration_that_cannot_be_read_is_a_masked_fault(prepared: Prepared, owner: Any) -> None:
    answer = prepared.server("POST", f"{USERS}{owner['pk']}/recovery/", json={"token_duration": "three days"})
    assert (answer.status_code, answer.content) == (405, b"")


def test_a_recovery_link_for_an_unknown_user_is_a_404(prepared: Prepared) -> None:
    assert prepared.server("POST", f"{USERS}2000000000/recovery/", json={}).status_code == 404


def test_a_recovery_mail_is_queued_and_may_be_requested_again(prepared: Prepared, owner: Any) -> None:
    body = {"email_stage": prepared.email_stage, "token_duration": "days=3"}
    for _ in range(2):
        answer = prepared.server("POST", f"{USERS}{owner['pk']}/recovery_email/", json=body)
        assert (answer.status_code, answer.content) == (204, b"")


def test_a_recovery_mail_needs_a_stage_and_an_address(prepared: Prepared, ready: Made, owner: Any) -> None:
    def refusal(pk: int, body: dict[str, Any]) -> tuple[int, Any]:
        answer = prepared.server("POST", f"{USERS}{pk}/recovery_email/", json=body)
        return answer.status_code, answer.json()

    silent = ready(USERS, username=unique("silent"), name="")
    assert refusal(owner["pk"], {}) == (400, {"email_stage": ["This field is required."]})
    unknown = {"email_stage": "00000000-0000-4000-8000-000000000000"}
    assert refusal(owner["pk"], unknown) == (400, {"non_field_errors": "Email stage not found."})
    no_address = {"non_field_errors": "User does not have an email address set."}
    assert refusal(silent["pk"], {"email_stage": prepared.email_stage}) == (400, no_address)


def test_an_invitation_lasts_half_an_hour_and_any_number_of_uses_by_default(prepared: Prepared, ready: Made) -> None:
    invitation = ready(INVITATIONS, name=unique("owner"), flow=prepared.flow)
    left = datetime.fromisoformat(invitation["expires"]) - datetime.now(UTC)
    assert timedelta(minutes=25) < left < timedelta(minutes=35)
    assert (invitation["single_use"], invitation["fixed_data"], invitation["flow"]) == (False, {}, prepared.flow)


def test_an_invitation_keeps_its_expiry_and_fixed_data(prepared: Prepared, ready: Made) -> None:
    expires = (datetime.now(UTC) + timedelta(days=7)).replace(microsecond=0)
    data = {"email": "owner@acme.test", "attributes.dezky.tenantId": "x"}
    body: dict[str, Any] = {
        "name": unique("owner"),
        "expires": expires.isoformat(),
        "single_use": True,
        "fixed_data": data,
    }
    invitation = ready(INVITATIONS, flow=prepared.flow, **body)
    read = prepared.server("GET", f"{INVITATIONS}{invitation['pk']}/").json()
    assert (read["single_use"], read["fixed_data"]) == (True, data)
    assert datetime.fromisoformat(read["expires"]) == expires


def test_invitations_of_one_name_are_two_and_listed_by_it(prepared: Prepared, ready: Made) -> None:
    name = unique("owner")
    pks = {ready(INVITATIONS, name=name, flow=prepared.flow)["pk"] for _ in range(2)}
    ready(INVITATIONS, name=f"{name}-2", flow=prepared.flow)
    listed = prepared.server("GET", INVITATIONS, params={"name": name}).json()["results"]
    assert {one["pk"] for one in listed} == pks
    by_flow = prepared.server("GET", INVITATIONS, params={"name": name, "flow__slug": prepared.flow_slug})
    assert {one["pk"] for one in by_flow.json()["results"]} == pks


@pytest.mark.parametrize("name", ["", "two words", "ö/", "a.b"])
def test_an_invitations_name_is_a_slug(prepared: Prepared, name: str) -> None:
    answer = prepared.server("POST", INVITATIONS, json={"name": name, "flow": prepared.flow})
    assert (answer.status_code, list(answer.json())) == (400, ["name"])


def test_an_invitation_by_mail_needs_an_address_and_a_flow(prepared: Prepared, ready: Made) -> None:
    invitation = ready(INVITATIONS, name=unique("owner"), flow=prepared.flow)
    flowless = ready(INVITATIONS, name=unique("owner"))
    to = {"email_addresses": ["owner@acme.test"]}
    sent = prepared.server("POST", f"{INVITATIONS}{invitation['pk']}/send_email/", json=to)
    assert (sent.status_code, sent.content) == (204, b"")
    for pk, body, error in [
        (invitation["pk"], {"email_addresses": []}, "No email addresses provided"),
        (flowless["pk"], to, "Invitation has no associated flow"),
    ]:
        answer = prepared.server("POST", f"{INVITATIONS}{pk}/send_email/", json=body)
        assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_a_withdrawn_invitation_is_not_found(prepared: Prepared, ready: Made) -> None:
    path = f"{INVITATIONS}{ready(INVITATIONS, name=unique('owner'), flow=prepared.flow)['pk']}/"
    assert [prepared.server("DELETE", path).status_code for _ in range(2)] == [204, 404]
    assert prepared.server("GET", path).status_code == 404
