"""Ctrl-C and a closed pipe: the program ends with its own exit code, and operations go on."""

from __future__ import annotations

import signal

import pytest

from tests.platformctl.conftest import Cli


def test_ctrl_c_during_a_wait_exits_with_130_and_shows_how_to_wait_again(cli: Cli) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]["id"]
    with cli.running("operations", "watch", operation) as process:
        assert process.stderr is not None
        assert "pending" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output = process.stderr.read()
        assert process.wait(10) == 130
    assert f"platformctl operations watch {operation}" in output
    assert "Traceback" not in output
    assert cli.json("operations", "show", operation)["status"] == "running"


def test_ctrl_c_during_a_sign_in_leaves_no_file(visitor: Cli) -> None:
    with visitor.running("login") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Open ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert "Traceback" not in process.stderr.read()
    assert visitor.files() == []


@pytest.mark.parametrize("line", ["partners list", "partners list -o json", "events --follow"])
def test_a_closed_pipe_exits_with_141_not_as_a_failed_operation(cli: Cli, line: str) -> None:
    assert cli("partners", "create", "north", "--name", "North").exit_code == 0
    with cli.running(*line.split()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == ""
