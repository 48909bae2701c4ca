"""Check that the table of scenarios names tests that exist, and every test in this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("named", [test for tests in SCENARIOS.values() for test in tests])
def test_each_scenario_names_tests_that_exist(named: str) -> None:
    path, _, name = named.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text()


def test_each_file_of_tests_in_this_folder_has_a_scenario() -> None:
    named = {test.partition("::")[0] for tests in SCENARIOS.values() for test in tests}
    there = {f"tests/chaos/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    others = ("scenarios", "invariants", "broken_invariants", "mail_probes", "plan")
    assert there - named == {f"tests/chaos/test_{name}.py" for name in others}
