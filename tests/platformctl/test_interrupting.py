"""Ctrl-C: the program ends, what it started goes on, and a script can tell it from a failure."""

from __future__ import annotations

import signal

import pytest

from tests.platformctl.conftest import Cli


def test_ctrl_c_while_waiting_ends_with_130_and_tells_how_to_look_again(cli: Cli) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]["id"]
    with cli.running("operations", "watch", operation) as process:
        assert process.stderr is not None
        assert "pending" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(10) == 130
    assert f"platformctl operations watch {operation}" in said
    assert "Traceback" not in said
    assert cli.json("operations", "show", operation)["status"] == "running"


def test_ctrl_c_while_a_sign_in_is_waited_for_leaves_nothing_behind(visitor: Cli) -> None:
    with visitor.running("login") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Open ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert "Traceback" not in process.stderr.read()
    assert visitor.files() == []


@pytest.mark.parametrize("line", ["partners list", "partners list -o json", "events --follow"])
def test_a_reader_that_has_read_enough_is_told_apart_from_an_operation_that_failed(cli: Cli, line: str) -> None:
    assert cli("partners", "create", "north", "--name", "North").exit_code == 0
    with cli.running(*line.split()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == ""
