"""The service follows its OpenAPI description: a fuzzer with a valid token tries to find a violation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.api.conftest import Client, Issuer, Serve

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.mark.timeout(500)
def test_a_fuzzer_that_reads_the_description_finds_no_answer_it_does_not_describe(
    api_settings: Settings, serve: Serve, store: Repositories, issuer: Issuer, tmp_path: Path
) -> None:
    # without limits: an answer 429 shows nothing of the route
    api_url = serve(api_settings.model_copy(update={"caller_requests_per_minute": 1_000_000}))
    root = Client(api_url, issuer.token("admin"))
    assert root("GET", "/users/me").status_code == 200
    assert root("POST", "/tenants", json={"slug": "acme", "name": "Acme", "domains": ["acme.test"]}).status_code == 201
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{api_url}/openapi.json", "--no-color", "--seed", "1"),
    ]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.api.description.formats",
        "PYTHONPATH": str(ROOT),
        "FUZZ_TOKEN": issuer.token("admin"),
    }
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=480)
    assert run.returncode == 0, run.stdout[-12000:] + run.stderr[-2000:]
