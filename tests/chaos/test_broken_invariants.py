"""Check that each further way to break an invariant is reported with its sentence."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.evidence_fixture import FIRST, SECOND, Given, change_effects, event, given
from tools.chaos.checks.evidence import Evidence
from tools.chaos.checks.invariants import broken
from tools.chaos.checks.observations import MEMBER, STRANGER
from tools.chaos.load.request_log import LoggedRequest


def wait_for_nothing(made: Given) -> None:
    made["tenants"][0]["status"] = "pending"


def never_settle(made: Given) -> None:
    made["operations"][1]["settled"] = False


def log_a_refused_delete(made: Given) -> None:
    made["entries"].append(LoggedRequest("acme", "delete", "request-2", "refused", 409, "operation_in_progress"))


def answer_with_another(made: Given) -> None:
    made["entries"][1] = LoggedRequest("acme", "suspend", "request-2", "accepted", 202, None, FIRST)


def add_an_event_of_no_operation(made: Given) -> None:
    made["events"].append(event("operation.failed", "request-9", "6b058a725d1747cfeba27b99"))


def show_an_older_operation(made: Given) -> None:
    made["tenants"][0].update(generation=1, operationId=FIRST)


def count_a_generation_twice(made: Given) -> None:
    made["operations"][1]["generation"] = 1


def forget_the_tenant(made: Given) -> None:
    made["tenants"].clear()


def purge(made: Given) -> None:
    """In the log only: all objects are left over."""
    made["entries"].append(LoggedRequest("acme", "purge", "request-2", "accepted", 202, None, SECOND))


def activate(made: Given) -> None:
    """Activate the tenant in the database only: the products stay closed."""
    owner = {"owner": {"email": "owner@acme.test"}}
    first = made["entries"][0]
    made["entries"][:] = [replace(first, body={**first.body, **owner})]


def activate_without_a_member(made: Given) -> None:
    activate(made)
    change_effects(made, groups={}, mail={})


def activate_and_remove_the_domain(made: Given) -> None:
    activate(made)
    made["products"]["stalwart"]["Domain"].clear()


def open_everything_to_a_stranger(made: Given) -> None:
    activate(made)
    opened = {"acme": {STRANGER: True, MEMBER: True}}
    change_effects(made, opened=opened, files=opened)


def fail_every_sign_in(made: Given) -> None:
    change_effects(made, groups={"acme": None})


def deliver_mail_to_a_removed_domain(made: Given) -> None:
    change_effects(made, mail={"postmaster@acme-b.test": "delivered"})


def keep_a_member(made: Given) -> None:
    made["products"]["authentik"]["groups"][0]["members"] = ["owner@acme.test"]


def make_the_owner_twice(made: Given) -> None:
    made["products"]["authentik"]["users"] = ["owner@acme.test"] * 2


def make_a_domain_that_nobody_asked_for(made: Given) -> None:
    domains = made["products"]["stalwart"]["Domain"]
    domains.append(domains[0] | {"id": "e", "name": "acme-c.test"})


def make_a_second_space(made: Given) -> None:
    spaces = made["products"]["ocis"]["spaces"]
    spaces.append(deepcopy(spaces[0]))


def activate_and_rename_the_space(made: Given) -> None:
    activate(made)
    made["products"]["ocis"]["spaces"][0]["name"] = "Acme before"


def make_a_group_for_nobody(made: Given) -> None:
    made["products"]["authentik"]["groups"].append({"name": "tenant-nobody", "attributes": {}, "members": []})


def end_an_api_as_a_watchdog_would(made: Given) -> None:
    made["unexpected_exits"] = {"api 1": [75]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wait_for_nothing, "acme is pending without an error"),
        (never_settle, "was never settled"),
        (log_a_refused_delete, "was refused (operation_in_progress) and has an event"),
        (answer_with_another, "was answered with provision"),
        (add_an_event_of_no_operation, "which does not exist"),
        (show_an_older_operation, "does not show its latest operation"),
        (count_a_generation_twice, "have the generations [1, 1]"),
        (forget_the_tenant, "was accepted and is not on record"),
        (purge, "should be purged and has 1 groups"),
        (purge, "was purged and still has the mail domains"),
        (purge, "should be purged and has 1 spaces"),
        (activate, "its group has the members [], not ['member-acme', 'owner@acme.test']"),
        (activate, "has 0 postmasters in one domain"),
        (activate, "shows DNS records for []"),
        (activate, "its group has the attributes {}"),
        (activate, "mail to postmaster@acme.test, in a domain of an active tenant, was refused"),
        (activate, "the mail account member@acme.test cannot sign in"),
        (activate, "the token of its member names the groups []"),
        (activate, "acme should be active; the member cannot open its application"),
        (activate, "acme should be active; the member cannot reach its files"),
        (activate, "a member whose membership in OCIS is old cannot reach its files"),
        (activate_without_a_member, "nobody could become its member"),
        (activate_without_a_member, "no mail was sent to acme.test"),
        (activate_and_remove_the_domain, "has the mail domains [], but should have ['acme.test']"),
        (activate_and_rename_the_space, "its space is Acme before"),
        (open_everything_to_a_stranger, "acme should be active; a stranger can open its application"),
        (open_everything_to_a_stranger, "acme should be active; a stranger can reach its files"),
        (fail_every_sign_in, "its member cannot sign in"),
        (
            deliver_mail_to_a_removed_domain,
            "mail to postmaster@acme-b.test, in no domain of an active tenant, was delivered",
        ),
        (keep_a_member, "its group has the members ['owner@acme.test'], not []"),
        (make_the_owner_twice, "has 2 accounts for its owner"),
        (
            make_a_domain_that_nobody_asked_for,
            "has the mail domains ['acme-c.test', 'acme.test']; ['acme.test'] were accepted",
        ),
        (make_a_second_space, "has 2 spaces"),
        (make_a_group_for_nobody, "the group tenant-nobody is of no tenant"),
        (end_an_api_as_a_watchdog_would, "api 1 ended with [75]"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_each_violation_is_reported(change: Any, message: str) -> None:
    made = given()
    change(made)
    assert message in "\n".join(sentence for sentences in broken(Evidence(**made)).values() for sentence in sentences)
