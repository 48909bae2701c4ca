"""The table of what must survive what names tests that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.rows import ROWS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("named", [test for tests in ROWS.values() for test in tests])
def test_each_row_is_proven_by_a_test_that_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text()


def test_each_test_in_this_folder_has_its_row() -> None:
    told = {test.partition("::")[0] for tests in ROWS.values() for test in tests}
    there = {f"tests/chaos/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert there - told == {f"tests/chaos/test_{name}.py" for name in ("rows", "laws", "law_breaks", "plan")}
