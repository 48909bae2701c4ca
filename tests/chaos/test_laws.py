"""The laws see what they are there for: a world in which all hold, and each broken by one change of it."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from tests.chaos.world import BEGAN, SECOND, World, event, world
from tools.chaos.evidence import Evidence
from tools.chaos.journal import Entry
from tools.chaos.laws import LAWS, broken


def test_in_a_world_as_it_should_be_all_laws_hold() -> None:
    assert broken(Evidence(**world())) == {}


def stay_open(made: World) -> None:
    made["operations"][1].update(status="running", finishedAt=None)


def say_nothing(made: World) -> None:
    made["operations"][1]["steps"] = [{"name": "ocis", "status": "error", "attempts": 3}]


def fail(made: World) -> None:
    made["operations"][1]["status"] = "failed"
    made["events"][3]["action"] = "operation.failed"


def lose_a_change(made: World) -> None:
    made["entries"][1] = Entry("acme", "suspend", "request-2", "accepted", 202, None, "6b058a725d1747cfeba27b99")


def do_it_twice(made: World) -> None:
    made["events"].append(event("tenant.suspend", "request-2", SECOND))


def forget_an_event(made: World) -> None:
    del made["events"][3]


def begin_too_early(made: World) -> None:
    made["operations"][0]["finishedAt"] = BEGAN + timedelta(minutes=3)


def keep_an_old_name(made: World) -> None:
    made["tenants"][0]["name"] = "Acme before"


def make_a_second_group(made: World) -> None:
    groups = made["products"]["authentik"]["groups"]
    groups.append(deepcopy(groups[0]))


def leave_mail_open(made: World) -> None:
    made["products"]["stalwart"]["fates"]["acme.test"] = "delivered"


def leave_the_space_open(made: World) -> None:
    made["products"]["ocis"]["spaces"][0]["disabled"] = False


def mark_one_for_nobody(made: World) -> None:
    spaces = made["products"]["ocis"]["spaces"]
    spaces.append(spaces[0] | {"description": "6b058a725d1747cfeba27b99"})


def land_last(made: World) -> None:
    made["requests"]["ocis"].reverse()


def leave_a_message(made: World) -> None:
    made["broker"] = ["1 message in the queue ocis"]


def meet_a_bug(made: World) -> None:
    made["shocks"] = ["a rename was answered 500"]


def end_by_itself(made: World) -> None:
    made["unasked"] = {"worker 1": [75, 1]}


CHANGES = (
    *(stay_open, say_nothing, fail, lose_a_change, do_it_twice, forget_an_event, begin_too_early, keep_an_old_name),
    *(
        make_a_second_group,
        leave_mail_open,
        leave_the_space_open,
        mark_one_for_nobody,
        land_last,
        leave_a_message,
        meet_a_bug,
        end_by_itself,
    ),
)


@pytest.mark.parametrize(("law", "change"), list(zip(LAWS, CHANGES, strict=True)))
def test_each_law_sees_when_it_is_broken(law: str, change: Any) -> None:
    made = world()
    change(made)
    assert broken(Evidence(**made)).get(law)


def test_a_worker_that_its_watchdog_ends_breaks_none() -> None:
    assert broken(Evidence(**world(), unasked={"worker 1": [75]})) == {}
