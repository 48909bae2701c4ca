"""A renamed setting is still read by its former name, with a warning that names the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.config.settings import Settings, SettingsError, read_settings
from shared.config.sources import FORMER_NAMES, warn_of_former_names

ROOT = Path(__file__).parents[2]
GIVEN = {"mongodb_uri": "mongodb://127.0.0.1:1/?replicaSet=rs0", "redis_url": "redis://127.0.0.1:1"}


@pytest.mark.parametrize(("name", "former"), FORMER_NAMES.items())
def test_each_renamed_setting_is_read_by_its_former_name(
    monkeypatch: pytest.MonkeyPatch, name: str, former: str
) -> None:
    assert former not in Settings.model_fields
    monkeypatch.setenv(former.upper(), "7")
    assert getattr(read_settings(**GIVEN), name) == 7


def test_a_former_name_may_name_a_file_and_an_unreadable_one_is_refused_by_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "hours"
    file.write_text("9\n")
    monkeypatch.setenv("DRIFT_LOOK_HOURS_FILE", str(file))
    assert read_settings(**GIVEN).drift_check_hours == 9
    monkeypatch.setenv("DRIFT_LOOK_HOURS_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"DRIFT_LOOK_HOURS_FILE names .*missing, which cannot be read"):
        read_settings(**GIVEN)


@pytest.mark.parametrize("new", ["DRIFT_CHECK_HOURS", "DRIFT_CHECK_HOURS_FILE"])
def test_the_new_name_wins_over_the_former_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, new: str) -> None:
    file = tmp_path / "hours"
    file.write_text("5")
    monkeypatch.setenv("DRIFT_LOOK_HOURS", "9")
    monkeypatch.setenv(new, str(file) if new.endswith("_FILE") else "5")
    assert read_settings(**GIVEN).drift_check_hours == 5


def test_an_empty_former_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_LOOK_HOURS", "")
    assert read_settings(**GIVEN).drift_check_hours == 24
    with capture_logs() as logs:
        warn_of_former_names()
    assert logs == []


def test_an_invalid_value_of_a_former_name_is_refused_with_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_LOOK_HOURS", "daily")
    with pytest.raises(SettingsError, match=r"DRIFT_CHECK_HOURS: .*\(set by its former name DRIFT_LOOK_HOURS\)"):
        read_settings(**GIVEN)


def test_an_invalid_value_of_the_new_name_is_not_blamed_on_the_former_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_LOOK_HOURS", "9")
    monkeypatch.setenv("DRIFT_CHECK_HOURS", "daily")
    with pytest.raises(SettingsError) as refusal:
        read_settings(**GIVEN)
    assert "DRIFT_LOOK_HOURS" not in str(refusal.value)


@pytest.mark.parametrize(
    "start",
    [
        "from worker.app import create_worker as create; from shared.config.settings import read_settings as read",
        "from api.app import create_app as create; from shared.config.settings import read_api_settings as read",
    ],
    ids=["worker", "api"],
)
def test_a_process_that_gets_former_names_warns_at_its_start_and_names_the_new_ones(tmp_path: Path, start: str) -> None:
    file = tmp_path / "slots"
    file.write_text("3")
    given = {name.upper(): value for name, value in GIVEN.items()}
    former = {"SWEEP_INTERVAL_SECONDS": "3", "INTEGRATION_SLOTS_FILE": str(file)}
    process = subprocess.run(
        [sys.executable, "-c", f"{start}; create(read()); import os; os._exit(0)"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given, **former},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = process.stdout + process.stderr
    assert process.returncode == 0, output
    assert "rename SWEEP_INTERVAL_SECONDS to SCHEDULER_INTERVAL_SECONDS" in output
    assert "rename INTEGRATION_SLOTS_FILE to INTEGRATION_CONCURRENCY_FILE" in output
