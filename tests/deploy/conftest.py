"""Read the compose files, and prepare a folder with secrets and certificates."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prepare import DOMAIN

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
#: as compose files, templates of Traefik and of OCIS write the domain
BASE_DOMAIN = ("${BASE_DOMAIN:-dezky.local}", '{{ env "BASE_DOMAIN" }}', "${BASE_DOMAIN|dezky.local}")


@cache
def read(name: str) -> Any:
    """Read a file below deploy/compose/ as it is with the default domain."""
    text = (COMPOSE / name).read_text()
    for written in BASE_DOMAIN:
        text = text.replace(written, DOMAIN)
    return yaml.load(text, Loader=yaml.CSafeLoader)


@cache
def read_services() -> dict[str, Any]:
    """Return the services of both compose files."""
    return {**read("compose.yaml")["services"], **read("products.yaml")["services"]}


@pytest.fixture
def services() -> dict[str, Any]:
    return read_services()


def run(root: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the preparation of containers in a clone."""
    command = [sys.executable, "-m", "deploy.prepare", *options]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60)


def prepare(folder: Path, *options: str, **variables: str) -> str:
    """Make secrets and certificates in a folder; return what the preparation prints."""
    done = run(ROOT, "--folder", str(folder), *options, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, "--full")
    return folder
