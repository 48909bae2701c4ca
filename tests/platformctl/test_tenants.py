"""`platformctl tenants` and `operations`: output on stdout and stderr, and exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pymongo
import pytest

from tests.platformctl.conftest import Cli, Workers


def create(cli: Cli, slug: str = "acme", *more: str) -> None:
    assert cli("tenants", "create", slug, "--name", slug.title(), *more).exit_code == 0


def test_a_created_tenant_is_shown_with_its_steps(cli: Cli) -> None:
    done = cli("tenants", "create", "acme", "--name", "Acme GmbH", "--domain", "acme.test", "--domain", "acme.example")
    assert done.exit_code == 0, done.output
    for word in ("acme", "Acme GmbH", "acme.test, acme.example", "pending", "authentik", "stalwart", "ocis"):
        assert word in done.stdout
    assert done.stderr == ""


def test_json_on_stdout_is_the_record_with_its_etag_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    billing = tmp_path / "billing.json"
    billing.write_text('{"company": "Acme GmbH", "address": {"city": "Köln", "country": "DE"}}')
    options = ("--name", "Acme", "--plan", "business", "--billing", str(billing))
    tenant = cli.json("tenants", "create", "acme", *options)
    assert (tenant["slug"], tenant["plan"], tenant["etag"]) == ("acme", "business", "1")
    assert tenant["billingInfo"]["address"]["city"] == "Köln"
    assert cli.json("tenants", "show", "acme") == tenant


def test_the_settings_may_stand_before_the_command_too(cli: Cli) -> None:
    create(cli)
    done = cli("--output", "json", "tenants", "show", "acme")
    assert json.loads(done.stdout)["slug"] == "acme"


def test_waiting_ends_with_the_operation_and_shows_its_steps_on_stderr(cli: Cli, workers: Workers) -> None:
    workers.soon("acme")
    done = cli("tenants", "create", "acme", "--name", "Acme", "--wait", "-o", "json")
    assert done.exit_code == 0, done.output
    tenant = json.loads(done.stdout)
    assert (tenant["status"], tenant["operation"]["status"]) == ("active", "succeeded")
    assert "acme, authentik: ok after 1 attempt\n" in done.stderr


def test_a_failed_operation_exits_with_1_and_shows_its_reason(cli: Cli, workers: Workers) -> None:
    workers.soon("acme", failing="stalwart")
    done = cli("tenants", "create", "acme", "--name", "Acme", "--wait")
    assert done.exit_code == 1
    assert "The provision of acme has failed." in done.stderr
    assert "stalwart: error" in done.stderr
    assert "pending" in done.stdout


def test_an_operation_that_still_runs_when_the_wait_ends_exits_with_6(cli: Cli) -> None:
    done = cli("tenants", "create", "acme", "--name", "Acme", "--wait", "--timeout", "0.2")
    assert done.exit_code == 6
    assert "platformctl operations watch" in done.stderr
    assert cli("tenants", "watch", "acme", "--timeout", "0").exit_code == 6


def test_a_tenants_operation_is_watched_to_its_end(cli: Cli, workers: Workers) -> None:
    create(cli)
    workers.soon("acme")
    done = cli("tenants", "watch", "acme", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "succeeded")


def test_reconcile_runs_the_steps_again(cli: Cli, workers: Workers) -> None:
    create(cli)
    workers.soon("acme")
    assert cli("tenants", "watch", "acme").exit_code == 0
    started = cli.json("tenants", "reconcile", "acme")
    assert (started["action"], started["status"]) == ("reconcile", "running")
    workers.soon("acme")
    done = cli("operations", "watch", started["id"])
    assert done.exit_code == 0
    assert f"reconcile of acme: succeeded  [{started['id']}]" in done.stdout


def test_operations_are_listed_and_shown(cli: Cli) -> None:
    create(cli)
    [operation] = cli.json("operations", "list", "acme")
    assert cli.json("operations", "show", operation["id"]) == operation
    assert operation["id"] in cli("operations", "list", "acme").stdout


def test_lists_follow_their_pages_to_the_limit_or_the_end(cli: Cli) -> None:
    for number in range(5):
        create(cli, f"acme-{number}")
    few = cli("tenants", "list", "--search", "acme-", "--limit", "2", "-o", "json")
    assert [one["slug"] for one in json.loads(few.stdout)] == ["acme-4", "acme-3"]
    assert "--all" in few.stderr
    every = cli.json("tenants", "list", "--search", "acme-", "--all")
    assert [one["slug"] for one in every] == [f"acme-{number}" for number in (4, 3, 2, 1, 0)]


def test_filters_are_sent_and_an_empty_list_is_an_empty_array_or_a_remark(cli: Cli, workers: Workers) -> None:
    create(cli)
    workers.soon("acme", failing="ocis")
    assert cli("tenants", "watch", "acme").exit_code == 1
    assert [one["slug"] for one in cli.json("tenants", "list", "--failed", "ocis")] == ["acme"]
    assert cli.json("tenants", "list", "--failed", "stalwart") == []
    nothing = cli("tenants", "list", "--status", "suspended")
    assert (nothing.stdout, nothing.stderr) == ("", "Nothing found.\n")


def test_a_table_for_a_pipe_is_not_cut(cli: Cli) -> None:
    create(cli, "acme", "--domain", "a" * 60 + ".test", "--domain", "b" * 60 + ".test")
    listed = cli("tenants", "list", "-o", "wide").stdout
    assert f"{'a' * 60}.test, {'b' * 60}.test" in listed
    assert "\x1b" not in listed


def test_all_faults_of_a_body_are_printed_with_pointers_and_the_request_id(cli: Cli) -> None:
    done = cli("tenants", "create", "WWW", "--name", "", "--domain", "no domain")
    assert done.exit_code == 3
    assert done.stdout == ""
    for part in ("invalid_input", "HTTP 400", "/slug:", "/name:", "/domains/0:", "request id: "):
        assert part in done.stderr


def test_an_unknown_tenant_is_refused(cli: Cli) -> None:
    done = cli("tenants", "show", "nobody")
    assert done.exit_code == 3
    assert "not_found" in done.stderr


@pytest.mark.parametrize("slug", ["../users", "a/b", "", "?x", "..", "-"])
def test_a_name_that_would_change_the_url_is_a_usage_error(cli: Cli, slug: str) -> None:
    assert cli("tenants", "show", "--", slug).exit_code == 2


def test_text_from_others_cannot_control_the_terminal(cli: Cli, mongodb_uri: str, database_name: str) -> None:
    create(cli)
    with pymongo.MongoClient[dict[str, object]](mongodb_uri) as client:
        rows = client[database_name]["tenants"]
        rows.update_one({"slug": "acme"}, {"$set": {"name": "\x1b[2J[bold]x"}})
    for command in (("list", "-o", "wide"), ("show", "acme"), ("describe", "acme")):
        done = cli("tenants", *command)
        assert "\x1b" not in done.output
        assert "[bold]x" in done.stdout


def test_an_update_accepts_the_expected_version_and_waits_for_its_operation(cli: Cli, workers: Workers) -> None:
    workers.soon("acme")
    seen = cli.json("tenants", "create", "acme", "--name", "Acme", "--wait")
    workers.join()
    workers.soon("acme")
    changed = cli.json("tenants", "update", "acme", "--plan", "business", "--if-match", seen["etag"], "--wait")
    assert (changed["plan"], changed["operation"]["status"]) == ("business", "succeeded")
    for again in (("update", "acme", "--plan", "starter"), ("delete", "acme", "--yes")):
        stale = cli("tenants", *again, "--if-match", seen["etag"])
        assert (stale.exit_code, "stale_version" in stale.stderr) == (3, True)


def test_billing_information_is_read_from_a_file_or_standard_input_and_can_be_removed(cli: Cli) -> None:
    create(cli)
    changed = cli.json("tenants", "update", "acme", "--billing", "-", "--wait", input='{"company": "Acme GmbH"}')
    assert changed["billingInfo"]["company"] == "Acme GmbH"
    assert "billingInfo" not in cli.json("tenants", "update", "acme", "--no-billing")
    assert cli("tenants", "update", "acme", "--billing", "-", input="[]").exit_code == 2
    assert cli("tenants", "update", "acme", "--billing", "/no/such/file").exit_code == 2


def test_a_dry_run_is_awaited_and_lists_the_changes(cli: Cli, workers: Workers) -> None:
    workers.soon("acme")
    assert cli("tenants", "create", "acme", "--name", "Acme", "--wait").exit_code == 0
    workers.join()
    workers.soon("acme", changes=("would make the group again",))
    done = cli("tenants", "reconcile", "acme", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "reconcile (dry run) of acme: succeeded" in done.stdout
    assert "authentik: would make the group again" in done.stdout


def test_a_dry_run_without_changes_is_shown_as_such(cli: Cli, workers: Workers) -> None:
    workers.soon("acme")
    assert cli("tenants", "create", "acme", "--name", "Acme", "--wait").exit_code == 0
    workers.join()
    workers.soon("acme")
    # the former name of the option
    done = cli("tenants", "reconcile", "acme", "--plan", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["mode"]) == (0, "plan")
    assert "Nothing would change." in done.stderr


def test_a_dry_run_names_what_it_left_out_and_the_tenants_known_drift_stays(cli: Cli, workers: Workers) -> None:
    workers.soon("acme")
    assert cli("tenants", "create", "acme", "--name", "Acme", "--wait").exit_code == 0
    workers.join()
    workers.soon("acme", changes=("set the name",))
    cli("tenants", "reconcile", "acme", "--dry-run")
    workers.join()
    workers.soon("acme", absent="ocis")
    done = cli("tenants", "reconcile", "acme", "--dry-run")
    assert (done.exit_code, "ocis: This dry run did not look at" in done.stdout) == (0, True)
    assert done.stderr.endswith("Not looked at: ocis.\nNothing would change in the others.\n")
    shown = cli("tenants", "describe", "acme").stdout
    assert re.search(r"^drift +ocis: set the name$", shown, re.MULTILINE)
    assert re.search(r"^drift not checked +ocis, last checked 20.* ago\)$", shown, re.MULTILINE)
    assert "drift" in cli("tenants", "list", "-l", "drift=ocis").stdout
    assert cli("tenants", "list", "-l", "drift=authentik", "-o", "name").stdout == ""


def test_a_conflicting_operation_is_named(cli: Cli) -> None:
    open_one = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]["id"]
    done = cli("tenants", "reconcile", "acme")
    assert (done.exit_code, "operation_in_progress" in done.stderr, open_one in done.stderr) == (3, True, True)


def test_an_operation_is_cancelled_and_watching_it_ends_with_1(cli: Cli) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]["id"]
    stopped = cli("operations", "cancel", operation, "--wait", "-o", "json")
    assert (stopped.exit_code, json.loads(stopped.stdout)["status"]) == (0, "cancelled")
    done = cli("operations", "watch", operation)
    assert done.exit_code == 1
    assert "has been cancelled" in done.stderr


def test_a_failed_step_is_retried_and_waited_for(cli: Cli, workers: Workers) -> None:
    workers.soon("acme", failing="stalwart")
    done = cli("tenants", "create", "acme", "--name", "Acme", "--wait", "-o", "json")
    failed = json.loads(done.stdout)["operation"]["id"]
    workers.join()
    workers.soon("acme", steps=("stalwart",))
    again = cli("operations", "retry", failed, "stalwart", "--wait", "-o", "json")
    assert again.exit_code == 0, again.output
    assert {step["name"]: step["status"] for step in json.loads(again.stdout)["steps"]}["stalwart"] == "ok"
    assert cli("operations", "retry", failed, "nosuch").exit_code == 3


def test_setting_and_clearing_a_field_at_once_is_a_usage_error(cli: Cli) -> None:
    assert cli("tenants", "create", "acme", "--name", "Acme", "--domain", "acme.test").exit_code == 0
    for line in (
        ("tenants", "update", "acme", "--domain", "new.test", "--no-domains"),
        ("tenants", "update", "acme", "--partner", "0" * 24, "--no-partner"),
        ("users", "update", "0" * 24, "--partner", "0" * 24, "--no-partner"),
    ):
        done = cli(*line)
        assert (done.exit_code, "not both" in done.stderr) == (2, True), done.output
    assert cli.json("tenants", "show", "acme")["domains"] == ["acme.test"]
