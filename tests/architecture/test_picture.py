"""The picture of the house shows its rooms: every module of the two doors, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURE = (ROOT / "docs/architecture.md").read_text().split("```")[1]


def rooms(folder: str) -> set[str]:
    """Modules and packages directly in a folder."""
    found = [one for one in (ROOT / folder).iterdir() if not one.name.startswith(("_", "."))]
    return {one.stem for one in found if one.is_dir() or one.suffix == ".py"}


@pytest.mark.parametrize("folder", ["api", "worker", "shared"])
def test_every_room_is_in_the_picture(folder: str) -> None:
    assert rooms(folder) - set(re.findall(r"\w+", PICTURE)) == set()


def test_every_folder_in_the_picture_is_there() -> None:
    named = set(re.findall(r"(\w+)/", PICTURE))
    there = {one.name for one in ROOT.rglob("*") if one.is_dir() and ".venv" not in one.parts}
    assert named - there == set()
