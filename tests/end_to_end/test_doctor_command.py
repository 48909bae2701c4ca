"""`python -m worker.doctor` examines a running platform."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from tests.end_to_end.conftest import Platform


def test_the_doctor_command_reports_a_running_platform_and_no_secret(platform: Platform) -> None:
    platform.services.readiness.prepare()
    platform.start_worker()
    platform.start_scheduler()
    deadline = time.monotonic() + 20
    while platform.store.status_repair.seconds_since_run() is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    environment: dict[str, Any] = platform._environment
    done = subprocess.run(
        [sys.executable, "-m", "worker.doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "workers/alive: 1 answer" in done.stdout
    assert "scheduler/alive: A scheduler ran its jobs" in done.stdout
    assert environment["AUTHENTIK_API_TOKEN"] not in done.stdout + done.stderr
