"""The runbook and the command line's page match the service: every reason has a row, every command exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from platformctl.__main__ import cli
from shared.config.settings import Settings
from shared.integrations.reasons import DELIVERY_REASONS, ORPHAN_CAUSES, REASONS
from shared.orphans.model import Cause
from tools.chaos.checks.convergence import bug_lines

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: packages whose processes run on a server
PROCESSES = ("api", "worker", "shared", "console", "serving")
RUNBOOK = DOCS / "how-to" / "operate.md"
#: every page that shows a command of platformctl
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))) if "platformctl " in path.read_text()]
#: in running text a command ends where its code does; in a block at a comment, a pipe or the line's end
IN_TEXT = re.compile(r"`platformctl ([^`]+)`")
IN_BLOCK = re.compile(r"platformctl ([^#|&;\n]+)")
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def rows(text: str, *headings: str) -> list[list[str]]:
    """Return the cells of the table with these first headings, row by row."""
    head = r" \| ".join(map(re.escape, headings))
    found = re.search(rf"^\| {head} \|.*\n\|[-| ]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert found is not None, f"there is no table of {', '.join(headings)}"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found[1].splitlines()]


def commands(document: str) -> Iterator[str]:
    text = document.replace("\\\n", " ")
    for block in FENCE.findall(text):
        yield from (found.strip() for found in IN_BLOCK.findall(block))
    yield from (found.partition(" | ")[0] for found in IN_TEXT.findall(FENCE.sub("", text)))


def names(group: click.Group, *before: str) -> Iterator[str]:
    """Yield the words of every command in a group and in its groups."""
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from names(command, *before, word)
        else:
            yield " ".join((*before, word))


def test_the_table_of_reasons_is_the_catalogue() -> None:
    shown = rows(RUNBOOK.read_text(), "reason", "retried", "what to do")
    known = [[f"`{name}`", "yes" if one.retryable else "no"] for name, one in REASONS.items()]
    assert [row[:2] for row in shown] == known
    assert all(len(row) == 3 and row[2] for row in shown)


def test_every_log_event_for_a_fault_of_ours_is_documented_and_found_by_the_chaos_run() -> None:
    text = "\n".join(path.read_text() for folder in PROCESSES for path in sorted((ROOT / folder).rglob("*.py")))
    # a start that failed is no fault of ours
    events = set(re.findall(r'log\.exception\(\s*"([a-z_.]+)"', text)) - {"prepare.failed"}
    shown = {name for name in re.findall(r"`([a-z_.]+)`", RUNBOOK.read_text()) if name.endswith(".bug")}
    assert events == shown
    lines = [f'{{"event": "{event}", "level": "error"}}' for event in sorted(events)]
    assert bug_lines("\n".join(["debugging", *lines, "a.bugle"])) == lines


def test_the_documented_causes_of_orphans_are_the_services_causes() -> None:
    shown = [row[:2] for row in rows(RUNBOOK.read_text(), "cause", "meaning")]
    assert shown == [[f"`{cause}`", message] for cause, message in ORPHAN_CAUSES.items()]
    assert set(ORPHAN_CAUSES) == set(Cause)


def test_every_cause_of_a_disabled_webhook_is_documented() -> None:
    shown = {row[0].strip("`") for row in rows(RUNBOOK.read_text(), "`disabledReason`")}
    assert shown - set(DELIVERY_REASONS) == {"none, `enabled: no"}
    assert {"gone", "failing", "unsigned"} <= shown


def test_every_reason_that_the_runbook_names_is_one() -> None:
    for row in rows(RUNBOOK.read_text(), "reason", "meaning"):
        for name in re.findall(r"`([a-z_]+)`", row[0]):
            assert name in REASONS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_documented_command_is_valid_in_platformctl(document: Path) -> None:
    for line in commands(document.read_text()):
        words = shlex.split(line)
        command: click.Command = cli
        while words and isinstance(command, click.Group) and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert not isinstance(command, click.Group) or not words or words[0].startswith("-"), line
        taken = {flag for one in (*command.params, *cli.params) for flag in (*one.opts, *one.secondary_opts)}
        unknown = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"} - taken
        assert not unknown - {"--help", "-h", "--version"}, line


def test_every_command_of_platformctl_is_on_its_page() -> None:
    shown = list(commands((DOCS / "reference" / "platformctl.md").read_text()))
    assert [name for name in names(cli) if not any(f"{line} ".startswith(f"{name} ") for line in shown)] == []


def test_every_setting_that_the_runbook_names_is_one() -> None:
    known = {name.upper() for name in Settings.model_fields}
    # Celery's, Flower's and OpenTelemetry's
    others = {"REMAP_SIGTERM", "FLOWER_AUTH", "FLOWER_BASIC_AUTH", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    named = set(re.findall(r"\b[A-Z][A-Z]+(?:_[A-Z]+)+\b", RUNBOOK.read_text()))
    assert named - others <= known, named - others - known


def test_every_log_event_that_the_runbook_names_is_logged_or_an_event() -> None:
    sources = "".join(path.read_text() for part in ("api", "worker", "shared") for path in (ROOT / part).rglob("*.py"))
    named = re.findall(r"`([a-z_]+\.[a-z_]+)`", RUNBOOK.read_text())
    assert named
    assert [name for name in named if f'"{name}"' not in sources and not name.endswith((".md", ".db"))] == []


def test_the_page_of_events_names_every_action_that_the_code_writes() -> None:
    text = (DOCS / "reference" / "events.md").read_text()
    sources = [path.read_text() for part in ("api", "worker", "shared") for path in (ROOT / part).rglob("*.py")]
    written = {name for source in sources for name in re.findall(r'NewEvent\(\s*"([a-z_]+\.[a-z_]+)"', source)}
    assert len(written) > 10
    assert sorted(name for name in written if f"`{name}`" not in text) == []
