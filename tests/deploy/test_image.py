"""The image contains the dependencies of its commands from the lock file and runs as an unprivileged user."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from console.settings import ConsoleSettings
from shared.config.settings import Settings

ROOT = Path(__file__).parents[2]
VARIABLES = {name.upper() for name in Settings.model_fields}
VARIABLES |= {f"CONSOLE_{name.upper()}" for name in ConsoleSettings.model_fields}


def test_the_example_environment_names_every_setting_and_nothing_else() -> None:
    text = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?\s?([A-Z_]+)=", text, re.MULTILINE)) - {"FLOWER_BASIC_AUTH"} == VARIABLES


def test_the_image_is_built_from_paths_that_exist_and_from_the_lock_with_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert set(copied) == {
        "requirements.lock",
        "api",
        "worker",
        "shared",
        "client",
        "platformctl",
        "console",
        "serving",
    }
    assert all((ROOT / path).exists() for path in copied)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == set(copied)
    assert "--require-hashes" in text
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert '"--port", "3001"' in text
    # a clone made with umask 077 is built as well
    assert text.index("COPY serving") < text.index("chmod -R a+rX /app") < text.index("USER ")


def test_the_image_breaks_no_rule_of_its_linter() -> None:
    linter = ROOT / ".venv/bin/hadolint"
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", [".env.example", "Dockerfile"])
def test_no_file_contains_a_secret(file: str) -> None:
    for line in (ROOT / file).read_text().splitlines():
        if re.search(r"(PASSWORD|SECRET|TOKEN|STAMP_KEYS|BASIC_AUTH)[A-Z_]*\s*[:=]\s*\S", line):
            assert line.rstrip().endswith("=") or "TOKEN_URL" in line, line
