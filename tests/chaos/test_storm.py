"""A short storm over everything, always the same one; `make chaos` runs longer ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.laws import broken
from chaos.plan import Size, make_plan
from chaos.storm import rage

SHORT = Size(tenants=10, minutes=0.2, apis=2, workers=2, sweeps=2, clients=4)


@pytest.mark.timeout(240)
def test_after_a_short_storm_all_laws_hold(tmp_path: Path) -> None:
    outcome = rage(make_plan(7, SHORT), tmp_path, print)
    assert outcome.faults
    assert {row["status"] for row in outcome.evidence.operations} >= {"succeeded"}
    assert broken(outcome.evidence) == {}
