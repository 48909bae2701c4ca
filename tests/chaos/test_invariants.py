"""Check that each invariant notices one change that breaks it."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from tests.chaos.evidence_fixture import BEGAN, SECOND, Given, change_effects, event, given
from tools.chaos.checks.evidence import Evidence
from tools.chaos.checks.invariants import INVARIANTS, broken
from tools.chaos.checks.observations import LAGGING, STRANGER
from tools.chaos.load.request_log import LoggedRequest


def test_evidence_of_a_correct_run_breaks_no_invariant() -> None:
    assert broken(Evidence(**given())) == {}


def stay_open(made: Given) -> None:
    made["operations"][1].update(status="running", finishedAt=None)


def give_no_reason(made: Given) -> None:
    made["operations"][1]["steps"] = [{"name": "ocis", "status": "error", "attempts": 3}]


def fail(made: Given) -> None:
    made["operations"][1]["status"] = "failed"
    made["events"][3]["action"] = "operation.failed"


def lose_a_change(made: Given) -> None:
    made["entries"][1] = LoggedRequest(
        "acme", "suspend", "request-2", "accepted", 202, None, "6b058a725d1747cfeba27b99"
    )


def carry_it_out_twice(made: Given) -> None:
    made["events"].append(event("tenant.suspend", "request-2", SECOND))


def forget_an_event(made: Given) -> None:
    del made["events"][3]


def begin_too_early(made: Given) -> None:
    made["operations"][0]["finishedAt"] = BEGAN + timedelta(minutes=3)


def keep_an_old_name(made: Given) -> None:
    made["tenants"][0]["name"] = "Acme before"


def create_a_second_group(made: Given) -> None:
    groups = made["products"]["authentik"]["groups"]
    groups.append(deepcopy(groups[0]))


def keep_a_domain_of_a_purged_tenant(made: Given) -> None:
    made["entries"].append(LoggedRequest("acme", "purge", "request-2", "accepted", 202, None, SECOND))


def create_a_second_space(made: Given) -> None:
    spaces = made["products"]["ocis"]["spaces"]
    spaces.append(deepcopy(spaces[0]))


def deliver_mail(made: Given) -> None:
    change_effects(made, mail={"member@acme.test": "delivered"})


def leave_a_mail_account_open(made: Given) -> None:
    change_effects(made, mailboxes={"member@acme.test": True})


def issue_a_token_with_the_group(made: Given) -> None:
    change_effects(made, groups={"acme": ("tenant-acme",)})


def open_the_application_to_a_stranger(made: Given) -> None:
    change_effects(made, opened={"acme": {STRANGER: True}})


def leave_files_reachable(made: Given) -> None:
    change_effects(made, files={"acme": {LAGGING: True}})


def create_one_for_an_unknown_tenant(made: Given) -> None:
    spaces = made["products"]["ocis"]["spaces"]
    spaces.append(spaces[0] | {"description": "6b058a725d1747cfeba27b99"})


def write_in_the_wrong_order(made: Given) -> None:
    made["requests"]["ocis"].reverse()


def leave_a_message(made: Given) -> None:
    made["broker"] = ["1 message in the queue ocis"]


def answer_500(made: Given) -> None:
    made["server_errors"] = ["a rename was answered 500"]


def end_a_worker(made: Given) -> None:
    made["unexpected_exits"] = {"worker 1": [75, 1]}


CHANGES = (
    *(
        stay_open,
        give_no_reason,
        fail,
        lose_a_change,
        carry_it_out_twice,
        forget_an_event,
        begin_too_early,
        keep_an_old_name,
    ),
    *(
        create_a_second_group,
        keep_a_domain_of_a_purged_tenant,
        create_a_second_space,
        create_one_for_an_unknown_tenant,
        write_in_the_wrong_order,
    ),
    *(deliver_mail, leave_a_mail_account_open, issue_a_token_with_the_group),
    *(open_the_application_to_a_stranger, leave_files_reachable),
    *(leave_a_message, answer_500, end_a_worker),
)


@pytest.mark.parametrize(("invariant", "change"), list(zip(INVARIANTS, CHANGES, strict=True)))
def test_each_invariant_notices_when_it_is_broken(invariant: str, change: Any) -> None:
    made = given()
    change(made)
    assert broken(Evidence(**made)).get(invariant)


def test_a_worker_that_its_watchdog_ended_breaks_no_invariant() -> None:
    assert broken(Evidence(**given(), unexpected_exits={"worker 1": [75]})) == {}
    ended = {"worker 0": [1], "worker 1": [1, 75]}
    assert broken(Evidence(**given(), unexpected_exits=ended, malformed_messages=2)) == {}
    assert broken(Evidence(**given(), unexpected_exits=ended, malformed_messages=1)) != {}
