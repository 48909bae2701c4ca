"""Read the compose files, and prepare a folder with secrets and certificates."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prepare import DOMAIN, main

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


def run_program(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the preparation of containers in a clone, as `make secrets` does."""
    command = [sys.executable, "-m", "deploy.prepare", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)


def prepare(folder: Path, *options: str, **variables: str) -> str:
    """Make secrets and certificates in a folder, in this process; return what the preparation prints.

    Raises SystemExit with the sentence that the program ends with.
    """
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output):
        patch.setattr(sys, "argv", ["prepare", "--folder", str(folder), *options])
        for name, value in variables.items():
            patch.setenv(name, value)
        main()
    return output.getvalue()


def refusal(folder: Path, *options: str, **variables: str) -> str:
    """Return the sentence with which the preparation refuses."""
    with pytest.raises(SystemExit) as refused:
        prepare(folder, *options, **variables)
    assert isinstance(refused.value.code, str)
    return refused.value.code


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, "--full")
    return folder
