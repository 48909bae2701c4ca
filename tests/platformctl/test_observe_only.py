"""`platformctl observe-only`, `platformctl purges`, and a reconcile that may remove more than usual."""

from __future__ import annotations

from tests.platformctl.conftest import Cli, Workers


def test_observe_only_mode_is_switched_on_shown_and_switched_off(cli: Cli) -> None:
    assert cli.json("observe-only", "on", "--reason", "a backup was restored")["observeOnly"] is True
    assert cli.json("observe-only", "show")["reason"] == "a backup was restored"
    unasked = cli("observe-only", "off")
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert cli.json("observe-only", "off", "--yes") == {"observeOnly": False}
    assert cli("observe-only", "on").exit_code == 2


def test_more_purges_than_the_quota_can_be_allowed(cli: Cli) -> None:
    assert cli.json("purges", "show")["extra"] == 0
    assert cli("purges", "allow", "2").exit_code == 2
    assert cli.json("purges", "allow", "2", "--yes")["extra"] == 2
    assert cli("purges", "allow", "0", "--yes").exit_code == 2


def test_a_reconcile_can_be_allowed_more_removals(cli: Cli, workers: Workers) -> None:
    made = cli.json("tenants", "create", "acme", "--name", "Acme")
    workers.finish(made["operation"]["id"])
    assert cli.json("tenants", "reconcile", "acme", "--allow-removals")["allowRemovals"] is True
