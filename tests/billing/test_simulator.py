"""The Stripe simulator on the wire: bodies, lists, search, errors and keys as Stripe documents them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.simulators.stripe.forms import parsed
from sandbox.simulators.stripe.server import StripeSimulator

KEY = "sk_test_key"


@pytest.fixture
def server() -> Iterator[StripeSimulator]:
    simulator = StripeSimulator(api_key=KEY, search_lag=0.0)
    with simulator.running():
        yield simulator


def ask(server: StripeSimulator, method: str, path: str, key: str = "", **options: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {KEY}", **({"Idempotency-Key": key} if key else {})}
    answer = requests.request(method, f"{server.url}/v1/{path}", headers=headers, timeout=10, **options)
    return answer.status_code, answer.json()


def made(server: StripeSimulator, **fields: str) -> str:
    status, body = ask(server, "POST", "customers", data=fields)
    assert status == 200
    return str(body["id"])


def test_bodies_nest_by_brackets() -> None:
    assert parsed("a=1&b[c]=2&b[d][e]=3&f[0][g]=4&f[1][g]=5&h[]=6&h[]=7&i=") == {
        "a": "1",
        "b": {"c": "2", "d": {"e": "3"}},
        "f": [{"g": "4"}, {"g": "5"}],
        "h": ["6", "7"],
        "i": "",
    }


def test_the_key_is_a_bearer_token_or_a_user_name(server: StripeSimulator) -> None:
    url = f"{server.url}/v1/customers"
    assert requests.get(url, auth=(KEY, ""), timeout=5).status_code == 200
    for auth in (None, ("wrong", "")):
        answer = requests.get(url, auth=auth, timeout=5)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
        assert answer.headers["Request-Id"].startswith("req_")


def test_errors_have_a_type_a_code_and_the_parameter(server: StripeSimulator) -> None:
    status, body = ask(server, "POST", "customers", data={"nmae": "x"})
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "parameter_unknown", "nmae")
    status, body = ask(server, "GET", "customers/cus_none")
    assert (status, body["error"]["code"]) == (404, "resource_missing")
    assert ask(server, "GET", "nonsense")[0] == 404
    assert ask(server, "GET", "customers", params={"limit": "101"})[0] == 400
    assert ask(server, "GET", "customers", params={"limit": "x"})[1]["error"]["code"] == "parameter_invalid_integer"


def test_lists_come_newest_first_in_pages(server: StripeSimulator) -> None:
    ids = [made(server, name=str(number)) for number in range(5)]
    _, first = ask(server, "GET", "customers", params={"limit": "2"})
    assert ([one["id"] for one in first["data"]], first["has_more"]) == ([ids[4], ids[3]], True)
    _, rest = ask(server, "GET", "customers", params={"starting_after": ids[3]})
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([ids[2], ids[1], ids[0]], False)
    assert ask(server, "GET", "customers", params={"created[gte]": "99999999999"})[1]["data"] == []


def test_search_matches_all_clauses_and_refuses_an_unreadable_query(server: StripeSimulator) -> None:
    ours = made(server, email="a@acme.test", **{"metadata[k]": "v"})
    made(server, email="b@acme.test", **{"metadata[k]": "v"})
    query = "metadata['k']:'v' AND email:\"a@acme.test\""
    _, found = ask(server, "GET", "customers/search", params={"query": query})
    assert ([one["id"] for one in found["data"]], found["object"]) == ([ours], "search_result")
    assert ask(server, "GET", "customers/search", params={"query": "nonsense"})[0] == 400


def test_metadata_changes_key_by_key(server: StripeSimulator) -> None:
    id_ = made(server, **{"metadata[a]": "1", "metadata[b]": "2"})
    _, body = ask(server, "POST", f"customers/{id_}", data={"metadata[b]": "", "metadata[c]": "3"})
    assert body["metadata"] == {"a": "1", "c": "3"}
    assert ask(server, "POST", f"customers/{id_}", data={"metadata": ""})[1]["metadata"] == {}


def test_a_key_gives_its_answer_again_and_refuses_other_parameters(server: StripeSimulator) -> None:
    first = ask(server, "POST", "customers", key="k", data={"name": "x"})
    assert ask(server, "POST", "customers", key="k", data={"name": "x"}) == first
    status, body = ask(server, "POST", "customers", key="k", data={"name": "y"})
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    assert ask(server, "POST", "customers", key="x" * 256, data={"name": "x"})[0] == 400


def test_a_subscriptions_customer_can_be_had_whole(server: StripeSimulator) -> None:
    customer = made(server, name="Acme")
    data = {"customer": customer, "items[0][price]": "price_starter", "trial_period_days": "7", "expand[]": "customer"}
    _, body = ask(server, "POST", "subscriptions", data=data)
    assert body["customer"]["name"] == "Acme"
    _, listed = ask(server, "GET", "subscriptions", params={"expand[]": "data.customer"})
    assert listed["data"][0]["customer"]["id"] == customer
    assert ask(server, "GET", f"subscriptions/{body['id']}")[1]["customer"] == customer
    assert ask(server, "GET", f"subscriptions/{body['id']}", params={"expand[]": "nonsense"})[0] == 400


def test_a_subscription_without_a_payment_method_is_refused_unless_it_may_be_incomplete(
    server: StripeSimulator,
) -> None:
    data = {"customer": made(server), "items[0][price]": "price_starter"}
    assert ask(server, "POST", "subscriptions", data=data)[1]["error"]["code"] == "resource_missing"
    status, body = ask(server, "POST", "subscriptions", data={**data, "payment_behavior": "default_incomplete"})
    assert (status, body["status"]) == (200, "incomplete")


def test_an_ended_subscription_is_not_listed_and_accepts_only_metadata(server: StripeSimulator) -> None:
    data = {"customer": made(server), "items[0][price]": "price_starter", "trial_period_days": "7"}
    id_ = ask(server, "POST", "subscriptions", data=data)[1]["id"]
    assert ask(server, "DELETE", f"subscriptions/{id_}")[1]["status"] == "canceled"
    assert ask(server, "DELETE", f"subscriptions/{id_}")[0] == 404
    assert ask(server, "GET", f"subscriptions/{id_}")[1]["status"] == "canceled"
    assert ask(server, "GET", "subscriptions")[1]["data"] == []
    assert len(ask(server, "GET", "subscriptions", params={"status": "all"})[1]["data"]) == 1
    assert ask(server, "POST", f"subscriptions/{id_}", data={"cancel_at_period_end": "true"})[0] == 400
    assert ask(server, "POST", f"subscriptions/{id_}", data={"metadata[a]": "1"})[0] == 200


def test_a_subscription_ends_with_its_period_or_at_a_date_and_only_one_can_be_given(server: StripeSimulator) -> None:
    data = {"customer": made(server), "items[0][price]": "price_starter", "trial_period_days": "7"}
    made_one = ask(server, "POST", "subscriptions", data=data)[1]
    path, later = f"subscriptions/{made_one['id']}", made_one["trial_end"] + 9

    def change(**fields: object) -> tuple[bool, int | None]:
        status, body = ask(server, "POST", path, data=fields)
        assert status == 200, body
        return body["cancel_at_period_end"], body["cancel_at"]

    assert change(cancel_at_period_end="true") == (True, made_one["trial_end"])
    assert change(cancel_at=later) == (False, later)
    assert change(cancel_at_period_end="false") == (False, later), "this undoes only an end with the period"
    assert change(cancel_at="") == (False, None)
    for refused in ({"cancel_at": later, "cancel_at_period_end": "false"}, {"cancel_at": 5}, {"cancel_at": "x"}):
        assert ask(server, "POST", path, data=refused)[0] == 400


def test_a_deleted_customer_is_shown_as_deleted_and_has_no_subscription(server: StripeSimulator) -> None:
    customer = made(server)
    data = {"customer": customer, "items[0][price]": "price_starter", "trial_period_days": "7"}
    subscription = ask(server, "POST", "subscriptions", data=data)[1]["id"]
    assert ask(server, "DELETE", f"customers/{customer}")[1] == {"id": customer, "object": "customer", "deleted": True}
    assert ask(server, "GET", f"customers/{customer}")[1]["deleted"]
    assert ask(server, "GET", f"subscriptions/{subscription}")[1]["status"] == "canceled"
    assert ask(server, "POST", f"customers/{customer}", data={"name": "x"})[0] == 404
