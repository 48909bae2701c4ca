"""Parts of the console without a server: forms by JSON pointers, zone files, charts, words for times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from flask import Flask, get_flashed_messages

from client.errors import ApiError
from console.auth.rights import Person
from console.pages.tenants.zone_file import zone_file
from console.web.api import act
from console.web.charts import HEIGHT, stacked
from console.web.forms import Field, Form
from console.web.words import age, failing_first, operation_state, progress_words, size, tenant_state

FIELDS = (Field("name"), Field("domains", "lines"), Field("billingInfo/vatId"), Field("enabled", "flag"))


@pytest.fixture
def app() -> Flask:
    return Flask("console-parts")


def refusal(*pointers: str, status: int = 400, code: str = "invalid_input") -> ApiError:
    """A refusal of the API with a fault at each pointer."""
    answer = requests.Response()
    answer.status_code = status
    answer.headers["Content-Type"] = "application/problem+json"
    faults = ",".join(f'{{"pointer": "{pointer}", "detail": "is wrong"}}' for pointer in pointers)
    answer._content = f'{{"code": "{code}", "detail": "Refused.", "errors": [{faults}]}}'.encode()
    return ApiError(answer)


@pytest.mark.parametrize(
    ("code", "message"), [("already_done", ("success", "Begun.")), ("action_not_possible", ("danger", "Refused."))]
)
def test_a_button_whose_first_request_took_effect_has_succeeded(
    app: Flask, code: str, message: tuple[str, str]
) -> None:
    def repeat() -> None:
        raise refusal(status=409, code=code)

    app.secret_key = "only of this test"
    with app.test_request_context("/", method="POST"):
        act(repeat, "Begun.", "/tenants/")
        assert get_flashed_messages(with_categories=True) == [message]


@pytest.mark.parametrize(
    ("own", "theirs", "roles"),
    [("admin", "of_tomorrow", []), ("of_tomorrow", "owner", []), ("admin", "member", ["member", "admin"])],
)
def test_a_role_of_a_newer_release_may_be_above_every_other(own: str, theirs: str, roles: list[str]) -> None:
    person = Person({"_id": "p", "email": "p@acme.test", "tenantIds": ["acme"], "roles": {"acme": own}})
    assert person.roles_for({"tenantIds": ["acme"], "role": theirs, "roles": {"acme": theirs}}) == roles


def test_a_form_sends_its_filled_fields_nested_by_their_pointers(app: Flask) -> None:
    sent = {"name": " Acme ", "domains": "a.test, b.test\n\nc.test", "billingInfo/vatId": "", "enabled": "yes"}
    with app.test_request_context("/", method="POST", data=sent):
        assert Form(*FIELDS).body() == {"name": "Acme", "domains": ["a.test", "b.test", "c.test"], "enabled": True}


def test_a_change_sends_only_differences_and_null_for_emptied_fields(app: Flask) -> None:
    record = {"name": "Acme", "domains": ["a.test"], "billingInfo": {"vatId": "DE1"}, "enabled": False}
    sent = {"name": "Acme", "domains": "a.test", "billingInfo/vatId": ""}
    with app.test_request_context("/", method="POST", data=sent):
        assert Form(*FIELDS, record=record).changes() == {"billingInfo": {"vatId": None}}


def test_each_fault_is_noted_at_the_field_it_points_into_and_the_others_above(app: Flask) -> None:
    with app.test_request_context("/", method="POST"):
        form = Form(*FIELDS)
        form.refuse(refusal("/domains/1", "/billingInfo/vatId", "/plan"))
    assert form.errors == {"domains": ["is wrong"], "billingInfo/vatId": ["is wrong"]}
    assert "plan: is wrong" in (form.message or "")
    assert form.status == 400


def records() -> Iterator[dict[str, object]]:
    yield {"name": "acme.test", "type": "MX", "value": "10 mail.test.", "ttl": 3600}
    yield {"name": "key._domainkey.acme.test", "type": "TXT", "value": "k=" + "a" * 400, "ttl": 3600}
    yield {"name": "odd.acme.test", "type": "TXT", "value": 'say "hi" \\', "ttl": 60}


def test_a_zone_file_splits_long_texts_and_escapes_quotes() -> None:
    lines = zone_file("acme.test", records()).splitlines()
    assert lines[2] == "acme.test. 3600 IN MX 10 mail.test."
    parts = lines[3].split(" TXT ")[1].split('" "')
    assert [len(part.strip('"')) for part in parts] == [255, 147]
    assert lines[4].endswith(r'TXT "say \"hi\" \\"')


def test_columns_of_a_chart_stack_up_to_the_largest_and_have_a_table() -> None:
    columns: list[tuple[str, dict[str, float]]] = [("1", {"ok": 3, "bad": 1}), ("2", {}), ("3", {"ok": 2})]
    chart = stacked("Things", columns, (("ok", "fine"), ("bad", "failed")))
    assert chart.top == 4
    assert sum(bar.height for bar in chart.bars[:2]) == HEIGHT
    assert [bar.title for bar in chart.bars] == ["1: 3 fine", "1: 1 failed", "3: 2 fine"]
    assert chart.rows == [("1", [3, 1]), ("3", [2, 0])]
    assert stacked("Nothing", [("1", {})], (("ok", "fine"),)).is_empty


@pytest.mark.parametrize(
    ("ago", "words"),
    [(0.2, "now"), (30, "30 s ago"), (90, "1 min ago"), (7300, "2 h ago"), (-45, "in 4"), (86400 * 3, "3 d ago")],
)
def test_a_time_is_an_age_with_the_exact_time_in_its_title(ago: float, words: str) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    shown = age(moment.isoformat())
    assert words in shown
    assert moment.strftime('title="%Y-%m-%d %H:%M:%S UTC"') in shown


def operation(status: str, *steps: dict[str, object], mode: str = "apply") -> dict[str, object]:
    return {"action": "provision", "mode": mode, "status": status, "steps": list(steps)}


OK, BAD = {"status": "ok"}, {"status": "error"}
RETRYING = {"status": "pending", "attempts": 2, "nextAttemptAt": "2030-01-31T00:00:00Z"}
DEFERRED = {**RETRYING, "attempts": 0}
PAUSED = {"status": "pending", "attempts": 1, "reason": "paused"}
NEW, RUNNING = {"status": "pending", "attempts": 0}, {"status": "running", "attempts": 1}


@pytest.mark.parametrize(
    ("steps", "state", "words"),
    [
        ((OK, NEW, RUNNING), "running", "Provision: 1 of 3 steps done."),
        ((OK, DEFERRED), "deferred", "Provision: 1 of 2 steps done, 1 deferred."),
        ((OK, PAUSED), "paused", "Provision: 1 of 2 steps done, 1 paused."),
        ((DEFERRED, RETRYING, BAD), "retrying", "Provision: 0 of 3 steps done, 1 failed, 1 retrying, 1 deferred."),
    ],
)
def test_a_running_operation_with_steps_that_wait_is_shown_as_waiting(
    steps: tuple[dict[str, object], ...], state: str, words: str
) -> None:
    running = operation("running", *steps)
    assert (operation_state(running), progress_words(running)) == (state, words)
    assert tenant_state({"status": "active", "operation": running}) == "active"
    waiting = tenant_state({"status": "pending", "operation": running})
    assert waiting == ("pending" if state == "running" else state)


def test_an_operation_that_ended_says_how_and_a_purged_tenant_is_not_just_deleted() -> None:
    failed = operation("failed", OK, BAD, mode="plan")
    assert progress_words(failed) == "Provision (dry run) failed: 1 of 2 steps done, 1 failed."
    assert tenant_state({"status": "pending", "operation": failed}) == "failed"
    assert tenant_state({"status": "active", "health": "degraded"}) == "degraded"
    assert tenant_state({"status": "deleted", "purgedAt": "2030-01-31T00:00:00Z"}) == "purged"
    assert tenant_state({"status": "deleted"}) == "deleted"


def test_steps_that_need_attention_come_first_and_the_others_keep_their_order() -> None:
    steps = [{"name": name, **step} for name, step in zip("abcde", (OK, RETRYING, NEW, BAD, OK), strict=True)]
    assert "".join(str(step["name"]) for step in failing_first(steps)) == "dbace"


def test_sizes_are_in_the_largest_unit_and_nothing_is_without_limit() -> None:
    assert [size(0), size(512), size(50 * 2**30), size(5000 * 2**30)] == ["unlimited", "512 B", "50 GiB", "4.883 TiB"]
