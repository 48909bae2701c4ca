"""The laws see what they are there for: a world in which all hold, and each broken by one change of it."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.evidence import Evidence
from chaos.journal import Entry
from chaos.laws import LAWS, broken

ID = "6b058a725d1747cfeba27b12"
FIRST, SECOND = "6b058a725d1747cfeba27b13", "6b058a725d1747cfeba27b14"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
World = dict[str, Any]


def operation(id_: str, action: str, generation: int) -> World:
    return {
        "_id": id_,
        "tenantId": ID,
        "tenantSlug": "acme",
        "action": action,
        "mode": "apply",
        "generation": generation,
        "requestId": f"request-{generation}",
        "status": "succeeded",
        "settled": True,
        "steps": [{"name": "ocis", "status": "ok", "attempts": 1}],
        "createdAt": BEGAN + timedelta(minutes=generation),
        "finishedAt": BEGAN + timedelta(minutes=generation, seconds=30),
        "dueAt": None,
        "deadlineAt": BEGAN + timedelta(hours=1),
    }


def event(action: str, request: str, operation_id: str | None) -> World:
    return {"action": action, "tenantId": ID, "requestId": request, "after": {"operation": operation_id}}


def world() -> World:
    """One tenant, created and suspended."""
    body = {"slug": "acme", "name": "Acme", "domains": ["acme.test"]}
    tenant = {
        "_id": ID,
        "slug": "acme",
        "name": "Acme",
        "domains": ["acme.test"],
        "status": "suspended",
        "provisioningErrors": {},
        "generation": 2,
        "operationId": SECOND,
    }
    request = {"method": "PATCH", "path": "/graph/v1.0/drives/1", "status": 200, "body": ""}
    return {
        "entries": [
            Entry("acme", "create", "request-1", "accepted", 201, None, FIRST, body),
            Entry("acme", "suspend", "request-2", "accepted", 202, None, SECOND),
        ],
        "tenants": [tenant],
        "operations": [operation(FIRST, "provision", 1), operation(SECOND, "suspend", 2)],
        "events": [
            event("tenant.created", "request-1", None),
            event("operation.succeeded", "request-1", FIRST),
            event("tenant.suspend", "request-2", SECOND),
            event("operation.succeeded", "request-2", SECOND),
        ],
        "products": {
            "authentik": {"groups": [{"name": "tenant-acme", "attributes": {}, "members": []}], "users": []},
            "stalwart": {"Domain": [{"id": "d", "name": "acme.test", "description": ID, "isEnabled": False}]},
            "ocis": {"spaces": [{"description": ID, "disabled": True, "name": "Acme", "grants": {}}], "groups": {}},
        },
        "requests": {"ocis": [request | {"request_id": "request-1"}, request | {"request_id": "request-2"}]},
    }


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
    made["products"]["stalwart"]["Domain"][0]["isEnabled"] = True


def leave_the_space_open(made: World) -> None:
    made["products"]["ocis"]["spaces"][0]["disabled"] = False


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
