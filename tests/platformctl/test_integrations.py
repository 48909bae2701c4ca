"""`platformctl integrations`, and the pause of a tenant."""

from __future__ import annotations

from tests.platformctl.conftest import Cli


def test_an_integration_is_paused_listed_and_resumed(cli: Cli) -> None:
    paused = cli.json("integrations", "pause", "stalwart", "--reason", "upgrade")
    assert (paused["name"], paused["paused"], paused["pause"]["reason"]) == ("stalwart", True, "upgrade")
    assert [one["name"] for one in cli.json("integrations", "list") if one["paused"]] == ["stalwart"]
    table = cli("integrations", "list", "--output", "table")
    assert (table.exit_code, "upgrade" in table.stdout) == (0, True)
    assert cli.json("integrations", "resume", "stalwart")["paused"] is False


def test_an_unknown_integration_is_refused(cli: Cli) -> None:
    unknown = cli("integrations", "pause", "jitsi", "--reason", "x")
    assert (unknown.exit_code, "not_found" in unknown.stderr) == (3, True)
    assert cli("integrations", "pause", "stalwart").exit_code == 2


def test_a_tenant_is_paused_and_unpaused(cli: Cli) -> None:
    cli.json("tenants", "create", "acme", "--name", "Acme")
    assert cli.json("tenants", "pause", "acme", "--reason", "legal hold")["pause"]["reason"] == "legal hold"
    assert cli.json("tenants", "unpause", "acme")["paused"] is False
