"""The command line as a distribution of its own, built as for a release: only the client and itself, and it runs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.release import build_wheels

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build_wheels(folder)
    [service] = folder.glob("dezky_platform_api-*.whl")
    assert "worker/main.py" in zipfile.ZipFile(service).namelist()
    [found] = folder.glob("dezky_platformctl-*.whl")
    return found


def project(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(path.read_text())["project"]
    return found


def test_the_wheel_contains_only_the_command_line_and_the_client(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    folders = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert folders == {"client", "platformctl"}
    for package in folders:
        sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
        assert sources <= set(names)
    assert not [name for name in names if name.endswith(".pyc")]
    assert "client/py.typed" in names  # PEP 561: without it type checkers take every record for Any


def test_the_wheel_runs_without_the_service(wheel: Path, tmp_path: Path) -> None:
    code = (
        "import sys, platformctl, client; from platformctl.__main__ import cli; "
        "assert '.whl' in platformctl.__file__ and '.whl' in client.__file__; "
        "assert not {'api', 'worker', 'shared', 'flask', 'pymongo', 'celery'} & set(sys.modules); "
        "cli(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    version = project(ROOT / "pyproject.toml")["version"]
    assert done.stdout.decode().strip() == f"platformctl, version {version}"


def test_its_requirements_are_those_of_the_whole_project() -> None:
    ours = project(ROOT / "platformctl" / "pyproject.toml")["dependencies"]
    assert set(ours) <= set(project(ROOT / "pyproject.toml")["dependencies"])


def test_the_image_has_the_command_line() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert {"COPY client ./client", "COPY platformctl ./platformctl"} <= set(lines)
