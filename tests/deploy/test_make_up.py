"""`make up` shows what the bootstrap job found, and fails if the start did."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: stands for docker: `compose up` ends with $UP_STATUS
DOCKER = """#!/bin/sh
echo "docker $*"
case "$*" in "compose up "*) exit "$UP_STATUS" ;; esac
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    for name, text in (("docker", DOCKER), ("python3", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("status", [0, 1])
def test_the_bootstrap_jobs_screen_is_shown_whether_or_not_the_start_succeeds(programs: Path, status: int) -> None:
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "COMPOSE_PROFILES": "full", "UP_STATUS": str(status)}
    done = subprocess.run(
        ["/usr/bin/env", "make", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode != 0) == bool(status)
    ran = [line for line in done.stdout.splitlines() if line.startswith("docker")]
    assert "logs" in ran[1]
    assert ran[1].endswith("bootstrap")
    assert ("worker.doctor" in ran[-1]) != bool(status)
