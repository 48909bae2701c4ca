"""`platformctl events`: the log is listed, and followed by a separate process until Ctrl-C."""

from __future__ import annotations

import json
import signal

from tests.platformctl.conftest import Cli


def test_events_are_listed_newest_first_and_by_tenant(cli: Cli) -> None:
    for slug in ("acme", "globex"):
        cli.json("tenants", "create", slug, "--name", slug.title())
    created = [one["tenant"] for one in cli.json("events", "--all") if one["action"] == "tenant.created"]
    assert created[:2] == ["globex", "acme"]
    assert {one["tenant"] for one in cli.json("events", "--tenant", "acme")} == {"acme"}
    shown = cli("events", "--tenant", "acme", "--limit", "1")
    assert "acme" in shown.stdout
    assert len(shown.stdout.splitlines()) == 2


def test_events_are_followed_as_they_happen_one_object_to_a_line_until_ctrl_c(cli: Cli) -> None:
    cli.json("tenants", "create", "acme", "--name", "Acme")
    with cli.running("events", "--follow", "-o", "json", "--tenant", "acme", "--limit", "1") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["tenant"] == "acme"
        cli.json("tenants", "create", "globex", "--name", "Globex")
        operation = cli.json("tenants", "show", "acme")["operation"]["id"]
        assert cli("operations", "cancel", operation).exit_code == 0
        second = json.loads(process.stdout.readline())
        assert (second["tenant"], second["id"] != first["id"]) == ("acme", True)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
