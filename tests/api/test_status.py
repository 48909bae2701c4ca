"""Current problems, all operations and their summary over HTTP."""

from __future__ import annotations

from shared.application.store import Repositories
from shared.integrations.outcomes import Outcome, PermanentError, Result, failed
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture, finish

LATER = Outcome(Result.RETRY, "timeout", "It took too long.")


def attempt(store: Repositories, operation_id: str, step: str, outcome: Outcome) -> None:
    claim = store.operations.claim(operation_id, step, 99, 60)
    assert claim is not None
    store.operations.record(claim, outcome, 30)


def reconcile(client: Client, slug: str) -> str:
    answer = client("POST", f"/tenants/{slug}/reconcile")
    assert answer.status_code == 202
    return str(answer.json()["operation"]["id"])


def test_without_problems_the_status_is_ok_and_empty(rights: RightsFixture) -> None:
    found = rights.people["admin"]("GET", "/status").json()
    assert found.pop("at").endswith("Z")
    assert found == {"ok": True, "tenants": {}, "groups": [], "breakers": [], "pauses": []}


def test_a_problem_is_listed_with_its_meaning_remedy_and_next_attempt(
    rights: RightsFixture, store: Repositories
) -> None:
    admin = rights.people["admin"]
    operation = reconcile(admin, "acme")
    attempt(store, operation, "stalwart", LATER)
    found = admin("GET", "/status").json()
    assert (found["ok"], found["tenants"]) == (False, {"retrying": 1})
    (group,) = found["groups"]
    assert (group["kind"], group["integration"], group["reason"], group["count"]) == (
        "retrying",
        "stalwart",
        "timeout",
        1,
    )
    assert group["message"]
    assert group["remedy"]
    (example,) = group["examples"]
    assert (example["tenant"], example["operation"], example["attempts"]) == ("acme", operation, 1)
    assert example["nextAttemptAt"] > found["at"]
    assert admin("GET", "/tenants/acme").json()["health"] == "degraded"
    finish_rest(store, operation)
    assert admin("GET", "/status").json()["ok"] is True
    assert admin("GET", "/tenants/acme").json()["health"] == "ok"


def finish_rest(store: Repositories, operation: str) -> None:
    operations = store.connection.database["operations"]
    operations.update_many({}, [{"$set": {"steps": {"$map": {"input": "$steps", "as": "s", "in": _due("$$s")}}}}])
    finish(store, operation)


def _due(step: str) -> dict[str, object]:
    return {"$mergeObjects": [step, {"dueAt": "$createdAt"}]}


def test_open_breakers_and_pauses_are_shown_and_a_pause_by_itself_is_no_problem(rights: RightsFixture) -> None:
    admin = rights.people["admin"]
    admin("POST", "/integrations/ocis/pause", json={"reason": "upgrade"})
    admin("POST", "/tenants/acme/pause", json={"reason": "an investigation"})
    found = admin("GET", "/status").json()
    assert found["ok"] is True
    reported = [(one.get("integration"), one.get("tenant"), one["reason"]) for one in found["pauses"]]
    assert reported == [("ocis", None, "upgrade"), (None, "acme", "an investigation")]
    theirs = rights.people["stranger"]("GET", "/status").json()
    assert [one.get("tenant") for one in theirs["pauses"]] == [None]


def test_other_tenants_are_never_named(rights: RightsFixture, store: Repositories) -> None:
    operation = reconcile(rights.people["admin"], "acme")
    attempt(store, operation, "ocis", failed(PermanentError("taken", "A space of acme's.")))
    for caller in ("stranger", "misplaced"):
        answer = rights.people[caller]("GET", "/status")
        assert answer.json()["groups"] == []
        assert "acme" not in answer.text
        assert "acme" not in rights.people[caller]("GET", "/operations").text
    for caller in ("member", "owner", "reseller"):
        assert rights.people[caller]("GET", "/status").json()["groups"][0]["examples"][0]["tenant"] == "acme"


def test_operations_are_listed_by_problem_and_a_misspelt_filter_is_refused(
    rights: RightsFixture, store: Repositories
) -> None:
    admin = rights.people["admin"]
    attempt(store, reconcile(admin, "acme"), "stalwart", LATER)

    def slugs(query: str) -> list[str]:
        return [one["tenant"] for one in admin("GET", f"/operations?{query}").json()]

    assert slugs("step.stalwart=retrying") == slugs("reason=timeout") == slugs("problem=retrying") == ["acme"]
    assert slugs("step.ocis=retrying") == slugs("problem=failed") == []
    assert slugs("tenant=beta") == ["beta"]
    assert sorted(slugs("action=provision&status=succeeded")) == ["acme", "beta"]
    assert slugs("since=2100-01-01T00:00:00Z") == []
    assert admin("GET", "/operations?step.stalwart=error").status_code == 400
    assert admin("GET", "/operations?tenant=missing").status_code == 404
    first = admin("GET", "/operations?limit=1")
    assert 'rel="next"' in first.headers["Link"]


def test_the_summary_has_outcomes_by_the_hour(rights: RightsFixture) -> None:
    found = rights.people["admin"]("GET", "/operations/summary?hours=2").json()
    assert found["open"] == {}
    outcomes = [one for hour in found["hours"] for one in hour["outcomes"]]
    assert sum(one["count"] for one in outcomes if one["action"] == "provision") == 2
    assert rights.people["admin"]("GET", "/operations/summary?hours=0").status_code == 400
