"""The documents use standard terms: none of the words that the glossary replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: pages that quote the catalogue's messages, and the glossary itself
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {ROOT / "docs" / "glossary.md"})
CODE = re.compile(r"^```.*?^```$|`[^`]*`", re.MULTILINE | re.DOTALL)
REPLACED = re.compile(
    r"\b(sweeps?|whoever|stand-ins?|stood in for|storms?|doors?|errands?|couriers?|desk|recipes?|look through|"
    r"looks? for drift|drift looks?|our (?:stamp|mark))\b|^#+ (?:What|Whoever|Who|How) (?!may)\w+ (?:is|are|there)\b",
    re.IGNORECASE | re.MULTILINE,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_uses_no_replaced_word(page: Path) -> None:
    text = CODE.sub("", page.read_text())
    assert [found[0] for found in REPLACED.finditer(text)] == []


def test_a_replaced_word_is_found_and_code_is_not_searched() -> None:
    assert REPLACED.search("The sweep looks.")
    assert not REPLACED.search(
        CODE.sub("", "Set `SCHEDULER_INTERVAL_SECONDS` for the sweep".replace("the sweep", "it"))
    )
