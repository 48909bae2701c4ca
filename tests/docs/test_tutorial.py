"""The tutorial and the README's tour work: their commands run, in order, in a sandbox of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.test_cli import free_base

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BEGIN, END = ".venv/bin/python -m sandbox up", ".venv/bin/python -m sandbox down"
#: how many seconds one page may take
TIMEOUT = 240
UNTIL_FAILED = "until platformctl tenants describe acme | grep upstream_error; do sleep 0.1; done"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Give a port base and a data folder; end what a page left running."""
    base = free_base()
    yield base, tmp_path / "sandbox"
    subprocess.run([sys.executable, "-m", "sandbox", "down", "--data", tmp_path / "sandbox"], cwd=ROOT, check=True)


def commands(page: Path, first: str, last: str) -> str:
    """The page's blocks from the one that starts the sandbox to the one that stops it."""
    text = "\n".join(BLOCK.findall(page.read_text()))
    return first + text.split(first, 1)[1].split(last, 1)[0]


def script(text: str, base: int, data: Path) -> str:
    """The same for another sandbox, at a reader's pace: the first attempt has failed when the tenant is described.

    `platformctl status` ends with 1 when something is wrong, as it is here.
    """
    text = re.sub(r"127\.0\.0\.1:30(\d\d)", lambda port: f"127.0.0.1:{base + int(port[1])}", text)
    text = re.sub(r"-m sandbox (\w+)", rf"-m sandbox \1 --data {data}", text).replace(
        "up --data", f"up --port-base {base} --data"
    )
    text = re.sub(r"^platformctl status.*$", "platformctl status && exit 1", text, flags=re.MULTILINE)
    text = re.sub(r"^(platformctl tenants update .*)$", rf"\1\n{UNTIL_FAILED}", text, flags=re.MULTILINE)
    return f"set -e -o pipefail\nshopt -s expand_aliases\n{text}"


def lines(page: str) -> set[str]:
    """Return the commands of a page, without comments."""
    text = commands(ROOT / page, BEGIN, END)
    return {" ".join(line.partition(" #")[0].split()) for line in text.splitlines() if line.strip()}


def test_the_tour_of_the_readme_uses_only_commands_of_the_tutorial() -> None:
    tour = {line for line in lines("README.md") if not line.startswith(("export ", "alias "))}
    assert len(tour) > 5
    assert tour - lines("docs/tutorial.md") == set()


def test_every_command_of_the_tutorial_succeeds(sandbox: tuple[int, Path], tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PLATFORM_CONFIG_DIR": str(tmp_path / "config")}
    text = script(commands(ROOT / "docs/tutorial.md", BEGIN, END), *sandbox)
    done = subprocess.run(
        ["/usr/bin/env", "bash", "-c", text],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-1000:]}"
    assert "upstream_error" in done.stdout
    assert "set enabled of the mail domain acme.test" in done.stdout
