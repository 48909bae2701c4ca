"""Each way to break a law is seen and said, beside the one for each law of `test_laws`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.world import FIRST, SECOND, World, event, world
from tools.chaos.evidence import Evidence
from tools.chaos.journal import Entry
from tools.chaos.laws import broken


def wait_for_nothing(made: World) -> None:
    made["tenants"][0]["status"] = "pending"


def never_settle(made: World) -> None:
    made["operations"][1]["settled"] = False


def tell_of_what_was_refused(made: World) -> None:
    made["entries"].append(Entry("acme", "delete", "request-2", "refused", 409, "operation_in_progress"))


def answer_with_another(made: World) -> None:
    made["entries"][1] = Entry("acme", "suspend", "request-2", "accepted", 202, None, FIRST)


def tell_of_no_operation(made: World) -> None:
    made["events"].append(event("operation.failed", "request-9", "6b058a725d1747cfeba27b99"))


def show_an_older_operation(made: World) -> None:
    made["tenants"][0].update(generation=1, operationId=FIRST)


def count_a_generation_twice(made: World) -> None:
    made["operations"][1]["generation"] = 1


def forget_the_tenant(made: World) -> None:
    made["tenants"].clear()


def purge(made: World) -> None:
    """In the book only: all that is there is left over."""
    made["entries"].append(Entry("acme", "purge", "request-2", "accepted", 202, None, SECOND))


def open_again(made: World) -> None:
    """In the book and outside, but for members, postmaster and invitation."""
    owner = {"owner": {"email": "owner@acme.test"}}
    first = made["entries"][0]
    made["entries"][:] = [replace(first, body={**first.body, **owner})]
    made["products"]["stalwart"]["fates"]["acme.test"] = "delivered"
    made["products"]["ocis"]["spaces"][0]["disabled"] = False


def leave_somebody_in(made: World) -> None:
    made["products"]["authentik"]["groups"][0]["members"] = ["owner@acme.test"]


def make_the_owner_twice(made: World) -> None:
    made["products"]["authentik"]["users"] = ["owner@acme.test"] * 2


def make_a_domain_twice(made: World) -> None:
    domains = made["products"]["stalwart"]["Domain"]
    domains.append(deepcopy(domains[0]))


def make_a_second_space(made: World) -> None:
    spaces = made["products"]["ocis"]["spaces"]
    spaces.append(deepcopy(spaces[0]))


def rename_the_space_and_open_all(made: World) -> None:
    open_again(made)
    made["products"]["ocis"]["spaces"][0]["name"] = "Acme before"


def make_a_group_for_nobody(made: World) -> None:
    made["products"]["authentik"]["groups"].append({"name": "tenant-nobody", "attributes": {}, "members": []})


def end_an_api_as_a_watchdog_would(made: World) -> None:
    made["unasked"] = {"api 1": [75]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wait_for_nothing, "acme is pending and nothing says why"),
        (never_settle, "was never settled"),
        (tell_of_what_was_refused, "was refused (operation_in_progress) and has an event"),
        (answer_with_another, "was answered with provision"),
        (tell_of_no_operation, "which does not exist"),
        (show_an_older_operation, "does not show its latest operation"),
        (count_a_generation_twice, "have the generations [1, 1]"),
        (forget_the_tenant, "was accepted and is not on record"),
        (purge, "is wished purged and has 1 groups"),
        (purge, "was purged and still has the mail domains"),
        (purge, "is wished purged and has 1 spaces"),
        (open_again, "its group has the members [], not ['owner@acme.test']"),
        (open_again, "has 0 postmasters in one domain"),
        (open_again, "is told what to publish for []"),
        (open_again, "its group is not invited into its space"),
        (open_again, "its group says {}"),
        (leave_somebody_in, "its group has the members ['owner@acme.test'], not []"),
        (make_the_owner_twice, "has 2 accounts for its owner"),
        (make_a_domain_twice, "has a mail domain twice"),
        (make_a_second_space, "has 2 spaces"),
        (rename_the_space_and_open_all, "its space is Acme before"),
        (make_a_group_for_nobody, "the group tenant-nobody is of no tenant"),
        (end_an_api_as_a_watchdog_would, "api 1 ended with [75]"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_each_way_to_break_a_law_is_said(change: Any, said: str) -> None:
    made = world()
    change(made)
    assert said in "\n".join(sentence for told in broken(Evidence(**made)).values() for sentence in told)
