"""`platformctl orphans`: list, show, scan, remove."""

from __future__ import annotations

from shared.application.store import Repositories
from shared.orphans.model import Cause
from tests.api.rights_fixture import ORPHAN
from tests.platformctl.conftest import Cli


def test_an_orphan_is_listed_shown_and_removed(cli: Cli, store: Repositories) -> None:
    for _ in range(2):
        store.orphans.record_found("ocis", ORPHAN, Cause.TENANT_UNKNOWN, 0, store.connection.now())
    (listed,) = cli.json("orphans", "list", "--status", "removable")
    assert cli.json("orphans", "show", listed["_id"]) == listed
    table = cli("orphans", "list", "--output", "table")
    assert (table.exit_code, "removable" in table.stdout) == (0, True)
    unasked = cli("orphans", "remove", listed["_id"])
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert cli.json("orphans", "remove", listed["_id"], "--yes")["status"] == "removing"


def test_an_orphan_in_quarantine_cannot_be_removed(cli: Cli, store: Repositories) -> None:
    store.orphans.record_found("ocis", ORPHAN, Cause.TENANT_UNKNOWN, 60, store.connection.now())
    (listed,) = cli.json("orphans", "list")
    refused = cli("orphans", "remove", listed["_id"], "--yes")
    assert (refused.exit_code, "not_removable" in refused.stderr) == (3, True)


def test_a_scan_is_requested_and_shown(cli: Cli) -> None:
    assert [one["integration"] for one in cli.json("orphans", "scan")] == ["authentik", "stalwart", "ocis"]
    assert all(one["nextLookAt"] for one in cli.json("orphans", "scans"))
