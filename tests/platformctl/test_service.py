"""`platformctl status`, `api`, `events`, and `describe` of a tenant."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from shared.application.store import Repositories
from shared.diagnostics.model import Check, CheckStatus
from tests.platformctl.conftest import Cli, Workers


@pytest.fixture
def failed(cli: Cli, workers: Workers) -> str:
    operation: str = cli.json("tenants", "create", "acme", "--name", "Acme", "--domain", "acme.test")["operation"]["id"]
    workers.finish(operation, failing="stalwart")
    return operation


@pytest.mark.usefixtures("failed")
def test_status_shows_failures_with_place_reason_and_remedy(cli: Cli) -> None:
    shown = cli("status")
    assert shown.exit_code == 1
    for word in ("failed", "stalwart", "unexpected_answer", "acme"):
        assert word in shown.stdout
    asked = cli("status", "-o", "json")
    [group] = [one for one in json.loads(asked.stdout)["groups"] if one["kind"] == "failed"]
    assert (asked.exit_code, group["count"]) == (1, 1)
    assert group["remedy"] in shown.stdout


def test_a_pause_is_shown_and_is_no_problem(cli: Cli) -> None:
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
def test_events_can_be_filtered_by_every_filter_of_the_api(cli: Cli) -> None:
    actions = {one["action"] for one in cli.json("events", "--tenant", "acme")}
    assert "tenant.created" in actions
    refused = cli("events", "--selector", "colour=red")
    assert (refused.exit_code, "?colour" in refused.stderr) == (3, True)


@pytest.fixture
def diagnosing(store: Repositories) -> Iterator[list[Check]]:
    """Finish every diagnostics run with these checks, as a scheduler does."""
    checks = [Check("mongodb", "connection", CheckStatus.OK, "It answers.")]
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            if (run := store.diagnostics.claim()) is not None:
                store.diagnostics.finish(run, checks)

    thread = threading.Thread(target=work)
    thread.start()
    yield checks
    stop.set()
    thread.join()


def test_doctor_prints_each_check_with_its_remedy_and_exits_with_1_if_one_failed(
    cli: Cli, diagnosing: list[Check]
) -> None:
    well = cli("doctor")
    assert (well.exit_code, "mongodb, connection: It answers." in well.stdout) == (0, True), well.output
    diagnosing.append(Check("ocis", "rights", CheckStatus.FAILED, "The account may not list spaces.", "Grant it."))
    ill = cli("doctor")
    assert (ill.exit_code, "failed" in ill.stdout, "Grant it." in ill.stdout) == (1, True, True)
    assert [one["status"] for one in json.loads(cli("doctor", "-o", "json").stdout)["checks"]] == ["ok", "failed"]


def test_doctor_without_a_scheduler_exits_with_6_and_reports_it(cli: Cli) -> None:
    waited = cli("doctor", "--timeout", "0.2")
    assert (waited.exit_code, "no scheduler runs" in waited.stderr) == (6, True)
    # the wait is long: it says at once what for
    assert waited.stderr.startswith("Waiting for a scheduler")
