"""The program explains itself: help with examples, version, completion. It imports only the client."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from platformctl.__main__ import cli as program
from platformctl.failures import ExitCode

ROOT = Path(__file__).parents[2]


def leaves(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, *before, name)
        else:
            yield (*before, name)


@pytest.mark.parametrize("command", [(), *leaves(program)], ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(program, [*command, "--help"], prog_name="platformctl")
    assert shown.exit_code == 0
    examples = shown.stdout.partition("Examples:")[2]
    assert f"platformctl {' '.join(command)}" in examples


def groups(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    yield before
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from groups(command, *before, name)


@pytest.mark.parametrize("group", list(groups(program)), ids=" ".join)
def test_no_command_is_described_by_half_a_sentence(group: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(program, [*group, "--help"], prog_name="platformctl").stdout
    described = shown.partition("Commands:")[2].splitlines()
    assert described
    assert [line for line in described if line.endswith("...")] == []


@pytest.mark.parametrize("command", [("login",), ("context", "add")], ids=" ".join)
def test_a_command_that_needs_the_platforms_settings_shows_them(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(program, [*command, "--help"]).stdout.partition("Options:")[2]
    assert {"--api-url", "--issuer", "--client-id"} <= set(shown.split())


def test_every_command_accepts_the_global_options_at_its_end() -> None:
    for command in leaves(program):
        if command != ("completion",):
            shown = CliRunner().invoke(program, [*command, "--help"])
            assert "--output" in shown.stdout, command


def test_the_help_lists_the_exit_codes() -> None:
    text = CliRunner().invoke(program, ["--help"]).stdout
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 130, 141]
    for code in range(7):
        assert f"  {code} " in text


def test_the_version_is_printed() -> None:
    shown = CliRunner().invoke(program, ["--version"], prog_name="platformctl")
    assert shown.stdout.startswith("platformctl, version ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    shown = CliRunner().invoke(program, ["completion", shell])
    assert shown.exit_code == 0
    assert "_PLATFORMCTL_COMPLETE" in shown.stdout


def test_a_shell_completes_commands() -> None:
    environment = {"_PLATFORMCTL_COMPLETE": "bash_complete", "COMP_WORDS": "platformctl ten", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "platformctl"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.split() == ["plain,tenants"]


def test_nothing_of_the_service_is_imported() -> None:
    allowed = {"platformctl", "client", "click", "rich", "platformdirs", "filelock", "yaml", "idna"}
    for path in (ROOT / "platformctl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                first = name.partition(".")[0]
                assert first in allowed or first in sys.stdlib_module_names, f"{path}: {name}"
