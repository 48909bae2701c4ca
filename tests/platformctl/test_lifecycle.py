"""`platformctl tenants`: suspend, resume, delete, restore, purge, export."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.platformctl.conftest import ROOT, Cli, Workers


@pytest.fixture
def acme(cli: Cli, workers: Workers) -> dict[str, Any]:
    """Create an active tenant."""
    return done(cli, workers, "create", "acme", "--name", "Acme", "--domain", "acme.test")


def done(cli: Cli, workers: Workers, verb: str, *arguments: str) -> dict[str, Any]:
    """Return the tenant after a command that waited for its operation."""
    workers.soon("acme")
    tenant: dict[str, Any] = cli.json("tenants", verb, *arguments, "--wait")
    workers.join()
    return tenant


@pytest.mark.usefixtures("acme")
def test_a_suspended_tenant_shows_the_reason_and_can_be_resumed(cli: Cli, workers: Workers) -> None:
    suspended = done(cli, workers, "suspend", "acme", "--reason", "unpaid since May")
    assert (suspended["status"], suspended["suspendReason"]) == ("suspended", "unpaid since May")
    assert suspended["operation"]["action"] == "suspend"
    assert "unpaid since May" in cli("tenants", "show", "acme").stdout
    resumed = done(cli, workers, "resume", "acme")
    assert (resumed["status"], "suspendReason" in resumed) == ("active", False)


@pytest.mark.usefixtures("acme")
def test_suspend_requires_a_reason(cli: Cli) -> None:
    refused = cli("tenants", "suspend", "acme")
    assert (refused.exit_code, "--reason" in refused.stderr) == (2, True)


@pytest.mark.usefixtures("acme")
def test_a_suspend_whose_step_fails_exits_with_1_and_the_tenant_is_suspended(cli: Cli, workers: Workers) -> None:
    workers.soon("acme", failing="access")
    ended = cli("tenants", "suspend", "acme", "--reason", "unpaid", "--wait", "-o", "json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["status"] == "suspended"
    assert "The suspend of acme has failed." in ended.stderr


def purge_column(cli: Cli) -> str:
    """Return what the list of deleted tenants says of the only one's purge."""
    head, row = cli("tenants", "list", "--status", "deleted", "-o", "wide").stdout.splitlines()
    return row[head.index("PURGE") : head.index("NAME")].strip()


@pytest.mark.usefixtures("acme")
def test_a_deleted_tenant_shows_its_purge_time_and_can_be_restored(cli: Cli, workers: Workers) -> None:
    deleted = done(cli, workers, "delete", "acme", "--yes")
    assert deleted["status"] == "deleted"
    assert deleted["purgeAfter"] in cli("tenants", "show", "acme").stdout
    assert purge_column(cli) in ("in 29d", "in 30d")
    restored = done(cli, workers, "restore", "acme")
    assert (restored["status"], "purgeAfter" in restored) == ("active", False)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("verb", ["delete", "purge"])
def test_a_script_cannot_delete_or_purge_a_tenant_without_yes(cli: Cli, verb: str) -> None:
    refused = cli("tenants", verb, "acme", input="acme\n")
    assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    assert cli.json("tenants", "show", "acme")["status"] == "active"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("typed", "exit_code", "status"),
    [("acme\n", 0, "deleted"), ("acne\n", 2, "active"), ("\n", 2, "active"), ("\x04", 2, "active")],
)
def test_deleting_a_tenant_requires_typing_its_slug(cli: Cli, typed: str, exit_code: int, status: str) -> None:
    assert at_a_terminal(cli, typed, "tenants", "delete", "acme") == exit_code
    assert cli.json("tenants", "show", "acme")["status"] == status


@pytest.mark.parametrize(("typed", "exit_code"), [("y\n", 0), ("n\n", 2), ("\x04", 2)])
def test_a_person_may_decline_or_close_the_question(cli: Cli, typed: str, exit_code: int) -> None:
    partner = cli.json("partners", "create", "north", "--name", "North")["_id"]
    assert at_a_terminal(cli, typed, "partners", "delete", partner) == exit_code
    assert cli("partners", "show", partner).exit_code == (3 if exit_code == 0 else 0)


def at_a_terminal(cli: Cli, typed: str, *arguments: str) -> int:
    """Run the program at a terminal; return its exit code."""
    ours, theirs = pty.openpty()
    given = {name: value for name, value in cli.environment.items() if value is not None}
    try:
        os.write(ours, typed.encode())
        command = [sys.executable, "-m", "platformctl", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **given}, stdin=theirs, capture_output=True, timeout=60, check=False
        ).returncode
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.usefixtures("acme")
def test_a_deleted_tenant_is_purged_and_the_receipt_lists_the_removed_objects(cli: Cli, workers: Workers) -> None:
    alive = cli("tenants", "purge", "acme", "--yes")
    assert (alive.exit_code, "action_not_possible" in alive.stderr) == (3, True)
    done(cli, workers, "delete", "acme", "--yes")
    assert cli("tenants", "receipt", "acme").exit_code == 3
    purged = done(cli, workers, "purge", "acme", "--yes")
    assert purged["purgedAt"] in cli("tenants", "show", "acme").stdout
    assert purge_column(cli) == "done"
    receipt = cli.json("tenants", "receipt", "acme")
    assert (receipt["tenant"], receipt["domains"]) == ("acme", ["acme.test"])
    assert {one["step"] for one in receipt["removals"]} == {"authentik", "stalwart", "ocis"}
    shown = cli("tenants", "receipt", "acme").stdout
    assert receipt["purgedAt"] in shown
    assert "removals" in shown


@pytest.mark.usefixtures("acme")
def test_an_export_goes_to_a_new_private_file_or_to_stdout(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    assert cli("tenants", "export", "acme", "--file", str(path)).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    export = json.loads(path.read_text())
    assert (export["tenant"]["slug"], [one["action"] for one in export["operations"]]) == ("acme", ["provision"])
    assert json.loads(cli("tenants", "export", "acme").stdout) == export
    again = cli("tenants", "export", "acme", "--file", str(path))
    assert (again.exit_code, "not written over" in again.stderr) == (2, True)
    nowhere = cli("tenants", "export", "acme", "--file", str(tmp_path / "no" / "such"))
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (2, True)


def test_a_tenant_is_created_with_its_owner(cli: Cli) -> None:
    owner = ("--owner-email", "ann@acme.com", "--owner-name", "Ann Example")
    made = cli.json("tenants", "create", "acme", "--name", "Acme", *owner)
    assert made["owner"] == {"email": "ann@acme.com", "name": "Ann Example"}
    assert [step["name"] for step in made["operation"]["steps"]] == ["authentik", "stalwart", "ocis", "access"]
    assert "ann@acme.com" in cli("tenants", "show", "acme").stdout


@pytest.mark.parametrize("half", [("--owner-email", "ann@acme.com"), ("--owner-name", "Ann")])
def test_an_incomplete_owner_is_a_usage_error(cli: Cli, half: tuple[str, str]) -> None:
    refused = cli("tenants", "create", "acme", "--name", "Acme", *half)
    assert (refused.exit_code, "--owner-email and --owner-name" in refused.stderr) == (2, True)
