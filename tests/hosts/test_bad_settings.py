"""A process that is told of Sentinels in a way that makes no sense ends at its start, with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"REDIS_URL": "sentinel://:secret@one;sentinel://two"}, "REDIS_SENTINEL_MASTER must say"),
        ({"REDIS_URL": "sentinel://:secret@one:x", "REDIS_SENTINEL_MASTER": "platform"}, "REDIS_URL must be scheme"),
    ],
)
def test_a_bad_address_of_sentinels_ends_the_start_with_a_sentence(settings: dict[str, str], sentence: str) -> None:
    environment = {**os.environ, "MONGODB_URI": "mongodb://127.0.0.1:1/?replicaSet=rs0", **settings}
    command = [sys.executable, "-m", "worker.sweep"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
