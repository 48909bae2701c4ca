"""`platformctl status`, `api`, `events`, and a tenant described: what an operator asks first."""

from __future__ import annotations

import json

import pytest

from tests.platformctl.conftest import Cli, Workers


@pytest.fixture
def failed(cli: Cli, workers: Workers) -> str:
    operation: str = cli.json("tenants", "create", "acme", "--name", "Acme", "--domain", "acme.test")["operation"]["id"]
    workers.finish(operation, failing="stalwart")
    return operation


@pytest.mark.usefixtures("failed")
def test_status_names_what_failed_where_why_and_what_to_do(cli: Cli) -> None:
    shown = cli("status")
    assert shown.exit_code == 1
    for word in ("failed", "stalwart", "unexpected_answer", "acme"):
        assert word in shown.stdout
    asked = cli("status", "-o", "json")
    [group] = [one for one in json.loads(asked.stdout)["groups"] if one["kind"] == "failed"]
    assert (asked.exit_code, group["count"]) == (1, 1)
    assert group["remedy"] in shown.stdout


def test_a_pause_is_shown_and_is_nothing_wrong(cli: Cli) -> None:
    assert cli("integrations", "pause", "ocis", "--reason", "upgrade").exit_code == 0
    shown = cli("status")
    assert (shown.exit_code, "upgrade" in shown.stdout, "Nothing is wrong." in shown.stdout) == (0, True, True)
    assert "admin@people.test" in shown.stdout


def test_a_described_tenant_shows_reason_remedy_request_and_events(cli: Cli, failed: str) -> None:
    shown = cli("tenants", "describe", "acme")
    assert shown.exit_code == 0, shown.output
    operation = cli.json("operations", "show", failed)
    [step] = [one for one in operation["steps"] if one["name"] == "stalwart"]
    for text in (step["message"], step["remedy"], operation["requestId"], failed, "acme.test", "tenant.created", "2/3"):
        assert text in shown.stdout
    assert "_dezky-challenge" not in shown.stdout
    whole = cli.json("tenants", "describe", "acme")
    assert [whole["tenant"]["slug"], whole["operations"][0]["id"]] == ["acme", failed]


@pytest.mark.usefixtures("failed")
def test_dns_records_are_shown_on_demand_as_a_zone_file(cli: Cli) -> None:
    [domain] = cli.json("domains", "list", "acme")
    [record] = domain["records"]
    zone = cli("domains", "zone", "acme", "acme.test").stdout
    assert f'_dezky-challenge.acme.test.\t{record["ttl"]}\tIN\tTXT\t"{record["value"]}"' in zone
    assert zone in cli("tenants", "describe", "acme", "--dns").stdout
    missing = cli("domains", "zone", "acme", "other.test")
    assert (missing.exit_code, "acme.test" in missing.stderr) == (2, True)


def test_operations_of_all_tenants_are_listed_and_filtered(cli: Cli, failed: str) -> None:
    cli.json("tenants", "create", "globex", "--name", "Globex")
    assert [one["tenant"] for one in cli.json("operations", "list", "--limit", "2")] == ["globex", "acme"]
    [found] = cli.json("operations", "list", "--status", "failed")
    assert found["id"] == failed
    assert "stalwart: unexpected_answer" in cli("operations", "list", "--status", "failed").stdout
    assert cli("operations", "list", "acme", "-o", "name").stdout == f"{failed}\n"


def test_any_request_can_be_sent(cli: Cli, failed: str) -> None:
    for number in range(3):
        body = json.dumps({"slug": f"partner-{number}", "name": "North"})
        assert cli("api", "/partners", "--input", "-", input=body).exit_code == 0
    pages = cli("api", "/partners", "--paginate", "--query", "limit=1")
    assert len(json.loads(pages.stdout)) == 3
    one = cli("api", "/operations/" + failed, "--include")
    assert (json.loads(one.stdout)["id"], "X-Request-Id:" in one.stderr) == (failed, True)
    refused = cli("api", "/tenants/nobody")
    assert (refused.exit_code, "not_found" in refused.stderr) == (3, True)
    assert cli("api", "https://elsewhere.test/x").exit_code == 2
    assert cli("api", "/tenants/acme", "-X", "DELETE", "--paginate").exit_code == 2


@pytest.mark.usefixtures("failed")
def test_events_can_be_filtered_by_what_the_api_offers(cli: Cli) -> None:
    actions = {one["action"] for one in cli.json("events", "--tenant", "acme")}
    assert "tenant.created" in actions
    refused = cli("events", "--selector", "colour=red")
    assert (refused.exit_code, "?colour" in refused.stderr) == (3, True)
