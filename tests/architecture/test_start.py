"""What processes import before they work, because each import costs time at every start and memory for good."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_worker_and_scheduler_import_the_library_of_stripe_only_when_it_is_configured() -> None:
    script = "import json, sys, worker.app, worker.scheduler; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = json.loads(run.stdout)
    assert "worker.integrations.registry" in modules
    assert "stripe" not in modules
