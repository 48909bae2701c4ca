"""The generated pages and .env.example match the code, and their sources are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.settings import ConsoleSettings
from shared.config.settings import Settings
from tools.reference.__main__ import ROOT, pages
from tools.reference.metrics import COLLECTED

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert path.read_text() == PAGES[path], "run: .venv/bin/python -m tools.reference"


def test_every_setting_has_a_description() -> None:
    fields = {**Settings.model_fields, **ConsoleSettings.model_fields}
    assert [name for name, field in fields.items() if not field.description] == []


def test_the_page_of_metrics_names_every_gauge_that_a_scheduler_reads() -> None:
    sources = [path.read_text() for part in ("shared", "worker") for path in (ROOT / part).rglob("*.py")]
    found = {name for text in sources for name in re.findall(r'GaugeMetricFamily\(\s*"(dezky_[a-z_]+)"', text)}
    assert found == set(COLLECTED)


def test_no_default_of_a_secret_is_shown() -> None:
    shown = PAGES[ROOT / ".env.example"]
    secrets = [line for line in shown.splitlines() if re.search(r"(PASSWORD|SECRET|TOKEN|KEYS?|AUTH)=", line)]
    assert secrets
    assert all(line.endswith("=") for line in secrets)
