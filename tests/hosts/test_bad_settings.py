"""A process that is told of Sentinels in a way that makes no sense ends at its start, with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import SettingsError, read_settings

ROOT = Path(__file__).parents[2]
DATABASE = "mongodb://127.0.0.1:1/?replicaSet=rs0"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"redis_url": "sentinel://:secret@one;sentinel://two"}, "REDIS_SENTINEL_MASTER must say"),
        ({"redis_url": "sentinel://:secret@one:x", "redis_sentinel_master": "platform"}, "REDIS_URL must be scheme"),
    ],
)
def test_a_bad_address_of_sentinels_is_refused_by_the_variables_name(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refusal:
        read_settings(mongodb_uri=DATABASE, **settings)
    assert "secret" not in str(refusal.value)


def test_a_process_with_a_bad_address_of_sentinels_ends_with_that_sentence() -> None:
    environment = {**os.environ, "MONGODB_URI": DATABASE, "REDIS_URL": "sentinel://:secret@one"}
    command = [sys.executable, "-m", "worker.sweep"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "REDIS_SENTINEL_MASTER must say" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
