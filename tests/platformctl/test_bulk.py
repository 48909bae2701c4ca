"""`platformctl bulk`: one action for many tenants, found first and done by the scheduler."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest

from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.platformctl.conftest import Cli, Workers
from worker.composition import open_bulk_job


@pytest.fixture
def scheduler(store: Repositories, services: Services, make_settings: Callable[..., Settings]) -> Iterator[None]:
    job = open_bulk_job(store, services.bulk, make_settings(bulk_per_minute=6000))
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            job.run_once()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def broken(cli: Cli, workers: Workers) -> list[str]:
    """Three tenants; a step of the first two has failed. Gives the operations' ids."""
    found = []
    for slug, failing in (("acme", "ocis"), ("globex", "ocis"), ("initech", None)):
        operation = cli.json("tenants", "create", slug, "--name", slug.title())["operation"]["id"]
        workers.finish(operation, failing=failing)
        found.append(operation)
    return found


@pytest.mark.usefixtures("broken", "scheduler")
def test_failed_steps_of_all_tenants_found_are_run_again(cli: Cli, broken: list[str]) -> None:
    line = ("bulk", "retry", "--selector", "problem=failed,integration=ocis")
    planned = cli(*line, "--dry-run")
    assert planned.exit_code == 0
    assert "2 tenants" in planned.stdout
    assert {"acme", "globex"} <= set(planned.stdout.split())
    assert cli.json("operations", "show", broken[0])["status"] == "failed"
    unasked = cli(*line)
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    ended = cli(*line, "--yes", "--wait", "-o", "json")
    assert ended.exit_code == 0, ended.output
    bulk = json.loads(ended.stdout)
    assert (bulk["status"], bulk["done"], bulk["refused"]) == ("finished", 2, 0)
    assert [cli.json("operations", "show", one)["status"] for one in broken] == ["running", "running", "succeeded"]
    assert "2 tenants, 2 done" in cli("bulk", "show", bulk["id"]).stdout


@pytest.mark.usefixtures("broken", "scheduler")
def test_bulk_commands_name_tenants_by_slug_and_show_the_platform(cli: Cli) -> None:
    ended = cli("bulk", "reconcile", "acme", "initech", "--yes", "--wait")
    assert ended.exit_code == 0, ended.output
    assert "reconcile 2 tenants" in ended.stderr
    running = cli.json("operations", "list", "--status", "running")
    assert {(one["tenant"], one["action"]) for one in running} == {("acme", "reconcile"), ("initech", "reconcile")}


@pytest.mark.usefixtures("broken")
def test_without_a_scheduler_the_wait_ends_with_6_and_nothing_found_with_0(cli: Cli) -> None:
    waited = cli("bulk", "retry", "acme", "--yes", "--wait", "--timeout", "0.2")
    assert (waited.exit_code, "platformctl bulk show" in waited.stderr) == (6, True)
    stopped = cli("bulk", "stop", waited.stderr.rsplit(None, 1)[1])
    assert (stopped.exit_code, "stopped, 1 tenants, 0 done, 0 refused, 0 pending, 1 skipped" in stopped.stdout) == (
        0,
        True,
    )
    nothing = cli("bulk", "cancel", "--selector", "problem=overdue", "--yes")
    assert (nothing.exit_code, "0 tenants" in nothing.stdout) == (0, True)


def test_a_bulk_operation_says_how_many_tenants_it_does_not_list(cli: Cli) -> None:
    for number in range(21):
        assert cli("tenants", "create", f"firm{number}", "--name", "Firm").exit_code == 0
    assert "and 1 more" in cli("bulk", "reconcile", "--everything", "--dry-run").stderr


def test_a_bulk_operation_shows_its_tenants_and_refuses_unknown_criteria(cli: Cli) -> None:
    assert cli("bulk", "retry", "--yes").exit_code == 2
    refused = cli("bulk", "retry", "--selector", "colour=red", "--yes")
    assert (refused.exit_code, "/selector/colour" in refused.stderr) == (3, True)
