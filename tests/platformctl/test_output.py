"""How results are printed: formats, ages, names for ids, nothing wrapped, any encoding; and completion."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
import yaml

from platformctl.text import age, cell, columns
from tests.platformctl.conftest import ROOT, Cli, Workers


def create(cli: Cli, slug: str = "acme", *more: str) -> str:
    found: str = cli.json("tenants", "create", slug, "--name", slug.title(), *more)["operation"]["id"]
    return found


def run(cli: Cli, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    given = {name: value for name, value in cli.environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-m", "platformctl", *arguments],
        cwd=ROOT,
        env={**os.environ, **given, **environment},
        capture_output=True,
        timeout=60,
    )


def test_a_list_shows_each_tenants_progress_and_what_blocks_it(cli: Cli, workers: Workers) -> None:
    workers.finish(create(cli), failing="stalwart")
    workers.finish(create(cli, "globex"))
    head, globex, acme = cli("tenants", "list", "--limit", "2").stdout.splitlines()
    assert head.split() == ["SLUG", "STATUS", "READY", "AGE", "REASON"]
    assert acme.split()[:3] == ["acme", "pending", "2/3"]
    assert acme.split()[4:] == ["stalwart:", "unexpected_answer"]
    assert globex.split()[:3] == ["globex", "active", "3/3"]
    assert len(globex.split()) == 4


def test_every_format_shows_the_same_records(cli: Cli) -> None:
    create(cli)
    as_json = cli.json("tenants", "list")
    assert yaml.safe_load(cli("tenants", "list", "-o", "yaml").stdout) == as_json
    assert cli("tenants", "list", "-o", "name").stdout.splitlines() == [one["slug"] for one in as_json]
    assert "NAME" in cli("tenants", "list", "-o", "wide").stdout.splitlines()[0]
    assert cli("tenants", "show", "acme", "-o", "name").stdout == "acme\n"


def test_selectors_are_the_apis_filters(cli: Cli) -> None:
    create(cli)
    create(cli, "globex", "--plan", "business")
    assert cli("tenants", "list", "-l", "plan=business,q=glo", "-o", "name").stdout == "globex\n"
    refused = cli("tenants", "list", "--selector", "colour=red")
    assert (refused.exit_code, "?colour" in refused.stderr) == (3, True)
    assert cli("tenants", "list", "--selector", "plan").exit_code == 2
    both = cli("tenants", "list", "-l", "plan=business", "-l", "q=acme", "-o", "name")
    assert both.stdout == "", "both selectors apply"


@pytest.mark.parametrize(
    "line",
    [
        "operations list --status failed -l status=running",
        "operations list acme -l tenant=globex",
        "tenants list --plan business -l plan=starter",
        "tenants list -l plan=business,plan=starter",
        "tenants list -l plan=business -l plan=starter",
        "tenants list -l limit=5",
        "events -l limit=5",
        "events -l cursor=1 --follow",
        "events -l last=3 --follow",
        "events -l interrupted=1 --follow",
        "bulk retry acme -l tenants=globex",
    ],
)
def test_a_filter_given_twice_and_a_parameter_in_a_selector_are_usage_errors(cli: Cli, line: str) -> None:
    refused = cli(*line.split())
    assert (refused.exit_code, type(refused.exception)) == (2, SystemExit), refused.output


@pytest.mark.parametrize("line", ["tenants list -l self=1", "operations list -l self=1", "events -l self=1 --follow"])
def test_any_unknown_filter_is_refused_by_the_api(cli: Cli, line: str) -> None:
    refused = cli(*line.split())
    assert (refused.exit_code, type(refused.exception)) == (3, SystemExit), refused.output
    assert "self" in refused.stderr


@pytest.mark.parametrize(
    ("before", "shown"), [(5, "5s"), (119, "119s"), (120, "2m"), (7200, "2h"), (180000, "2d"), (-90, "in 90s")]
)
def test_times_are_shown_as_ages(before: int, shown: str) -> None:
    now = datetime(2030, 1, 31, tzinfo=UTC)
    time = datetime.fromtimestamp(now.timestamp() - before, UTC)
    assert age(time.isoformat().replace("+00:00", "Z"), now) == shown


def test_a_time_to_come_that_has_passed_is_not_shown_as_an_age() -> None:
    passed, ahead = (
        (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z") for seconds in (-90, 90)
    )
    assert [cell(field, passed) for field in ("breaker.openUntil", "nextCheckAt", "next")] == ["now"] * 3
    assert cell("breaker.openUntil", ahead).startswith("in ")
    assert cell("createdAt", passed) == "90s"


def test_people_read_slugs_and_addresses_where_records_have_ids(cli: Cli) -> None:
    partner = cli.json("partners", "create", "northwind", "--name", "Northwind")["_id"]
    create(cli, "acme", "--partner", "northwind")
    options = ("--email", "ann@acme.com", "--name", "Ann", "--tenant-role", "acme=owner", "--tenant", "acme")
    ann = cli.json("users", "create", "subject-ann", *options)
    assert list(ann["roles"].values()) == ["owner"]
    users = cli("users", "show", "ann@acme.com").stdout
    assert "roles.acme" in users
    assert cli.json("users", "show", "ann@acme.com") == ann
    tenants = cli("tenants", "show", "acme").stdout
    assert ("northwind" in tenants, partner in tenants) == (True, False)
    assert "admin@people.test" in cli("tenants", "describe", "acme").stdout
    assert cli("users", "show", "nobody@acme.com").exit_code == 2
    assert "acme" in cli("subscriptions", "show", "acme").stdout


def test_at_80_columns_nothing_is_wrapped_or_cut(cli: Cli) -> None:
    long = "a" * 60 + ".test"
    operation = create(cli, "acme", "--domain", long)
    for line in (("tenants", "list", "-o", "wide"), ("tenants", "describe", "acme"), ("domains", "show", "acme")):
        shown = cli(*line, env={"COLUMNS": "80", "TERM": "xterm"}).stdout
        assert long in shown, line
        assert not any(text.endswith(" ") for text in shown.splitlines()), line
    assert operation in cli("operations", "list", "acme", env={"COLUMNS": "40"}).stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_output_in_any_encoding_is_no_traceback(cli: Cli, encoding: str) -> None:
    assert cli("tenants", "create", "acme", "--name", "Köln \u2713 \u7530").exit_code == 0
    for line in (
        ("tenants", "list", "-o", "wide"),
        ("tenants", "show", "acme"),
        ("tenants", "describe", "acme"),
        ("tenants", "show", "acme", "-o", "yaml"),
        ("tenants", "show", "acme", "-o", "json"),
        ("tenants", "show", "\u7530"),
    ):
        done = cli(*line, encoding=encoding)
        assert done.exit_code == (2 if line[-1] == "\u7530" else 0), done.stderr
        assert isinstance(done.exception, SystemExit | None), done.exception
        if line[-1] == "json":
            assert json.loads(done.stdout)["name"].startswith("Köln \u2713")
        if line[-1] == "yaml":
            assert yaml.safe_load(done.stdout)["name"].startswith("Köln \u2713")


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_json_and_yaml_keep_letters_and_escape_what_controls_a_terminal(cli: Cli, output: str, parse: Any) -> None:
    for slug, name, is_escaped in (("koeln", "Köln \u7530", False), ("turned", "K\u202eln", True)):
        assert cli("tenants", "create", slug, "--name", name).exit_code == 0
        shown = cli("tenants", "show", slug, "-o", output).stdout
        assert parse(shown)["name"] == name
        assert (name in shown, shown.isascii()) == (not is_escaped, is_escaped)


@pytest.mark.parametrize(
    ("environment", "is_styled"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_gets_styles_unless_it_cannot_show_them_or_nobody_wants_them(
    cli: Cli, environment: dict[str, str], is_styled: bool
) -> None:
    create(cli)
    given = {**os.environ, **{name: value for name, value in cli.environment.items() if value is not None}}
    given.pop("NO_COLOR", None)
    terminal, side = pty.openpty()
    command = [sys.executable, "-m", "platformctl", "tenants", "list"]
    done = subprocess.run(command, cwd=ROOT, env={**given, **environment}, stdout=side, stderr=side, timeout=60)
    shown = os.read(terminal, 10_000)
    os.close(side)
    os.close(terminal)
    assert (done.returncode, b"acme" in shown, b"\x1b" in shown) == (0, True, is_styled)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("operations show acme", "'acme' is not the id of an operation"),
        ("operations retry acme stalwart", "'acme' is not the id of an operation"),
        ("webhooks show acme", "'acme' is not the id of a webhook"),
        ("orphans show acme", "'acme' is not the id of an orphan"),
        ("bulk show acme", "'acme' is not the id of a bulk operation"),
        ("webhooks replay 6b058a725d1747cfeba27b12 acme", "'acme' is not the id of a delivery"),
    ],
)
def test_a_name_in_place_of_an_id_is_a_usage_error(cli: Cli, line: str, said: str) -> None:
    refused = cli(*line.split())
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(
    "line", ["tenants suspend acme", "tenants pause acme", "integrations pause stalwart", "observe-only on"]
)
def test_a_reason_is_not_blank(cli: Cli, line: str) -> None:
    create(cli)
    refused = cli(*line.split(), "--reason", " ")
    assert (refused.exit_code, "--reason" in refused.stderr) == (2, True), refused.stderr


def test_a_process_whose_terminal_lacks_characters_writes_them_escaped(cli: Cli) -> None:
    assert cli("tenants", "create", "acme", "--name", "Köln \u2713 \u7530").exit_code == 0
    done = run(cli, "tenants", "show", "acme", PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Köln \\u2713 \\u7530" in done.stdout.decode("cp1252")


def test_an_argument_that_is_no_text_is_a_usage_error(cli: Cli) -> None:
    given = {name: value for name, value in cli.environment.items() if value is not None}
    command = [sys.executable.encode(), b"-m", b"platformctl", b"tenants", b"list", b"--search", b"\xff"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, timeout=60)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def completion(line: str) -> dict[str, str]:
    """Return the variables with which a shell asks to complete a line."""
    last = str(len(line.split(" ")) - 1)
    return {"_PLATFORMCTL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": last}


def completed(cli: Cli, line: str) -> list[str]:
    done = cli(env=completion(line))
    assert (done.exit_code, done.stderr) == (0, "")
    return [text.partition(",")[2] for text in done.stdout.split()]


def test_a_shell_completes_slugs_addresses_and_ids(cli: Cli) -> None:
    operation = create(cli, "acme-one")
    assert completed(cli, "platformctl tenants show acme-") == ["acme-one"]
    process = run(cli, **completion("platformctl tenants show acme-"))
    assert (process.stdout.split(), process.stderr) == ([b"plain,acme-one"], b"")
    assert completed(cli, "platformctl users show adm") == ["admin@people.test"]
    assert completed(cli, f"platformctl operations show {operation[:23]}") == [operation]
    assert completed(cli, "platformctl integrations pause stal") == ["stalwart"]


def test_completion_without_an_api_offers_nothing(cli: Cli) -> None:
    cli.environment["PLATFORM_API_URL"] = "http://127.0.0.1:9"
    assert completed(cli, "platformctl tenants show ac") == []


def test_a_long_cell_moves_the_rest_of_its_own_row_only() -> None:
    key = "k" * 400
    head, long, short = columns(["value", "for"], ["value", "for"], [[key, "mail"], ["v=spf1 mx -all", "mail"]])
    assert long == f"{key}   mail"
    assert max(len(click.unstyle(head)), len(short)) < 80
