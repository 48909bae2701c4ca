"""Links, anchors, file names, modules and make targets that the documents name all exist."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: created on first use or on another machine; never part of the repository
GENERATED = (
    *("deploy/compose/secrets", "deploy/compose/certificates", "deploy/compose/.env", "deploy/compose/authentik.env"),
    "docs/images/",
)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]*)(?:#([^)\s]*))?\)")
#: a path in running text: begins with a folder of ours, has no placeholder
FOLDERS = "api serving worker shared client platformctl console sandbox deploy tools tests docs".split()
FILE = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[A-Za-z0-9_./-]*)`")
MODULE = re.compile(r"python3? -m ([a-z_]+(?:\.[a-z_]+)*)")
TARGET = re.compile(r"(?:`|^|&& )make ([a-z-]+)", re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> Iterator[str]:
    for target, anchor in LINK.findall(FENCE.sub("", text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() and not named_is_generated(path):
            yield f"{target}: no such file"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.read_text()):
            yield f"{target}#{anchor}: no such heading"


def named_is_generated(path: Path) -> bool:
    return str(path.relative_to(ROOT)).startswith(GENERATED)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert list(broken_links(page, page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    found = [name for name in FILE.findall(page.read_text()) if "..." not in name]
    missing = [name for name in found if not (ROOT / name).exists() and not name.startswith(GENERATED)]
    assert missing == []


def test_the_table_of_folders_names_every_package_and_only_folders_that_exist() -> None:
    rows = re.findall(r"^\| `([a-z]+)/` \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == set(FOLDERS)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= set(FOLDERS)
    inner = [f"{name}/{part}" for name, text in rows for part in re.findall(r"`([a-z_/]+)/`", text)]
    assert [one for one in inner if not (ROOT / one).is_dir()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_module_that_a_page_runs_exists(page: Path) -> None:
    # the changelog names former files
    names = MODULE.findall(page.read_text()) if page.name != "CHANGELOG.md" else []
    assert [name for name in names if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(page.read_text())) <= known


def test_a_broken_link_and_a_missing_heading_are_found(tmp_path: Path) -> None:
    page = ROOT / "docs" / "page.md"
    text = "# One\n[a](nowhere.md) [b](#one) [c](#two) [d](https://example.com/x)"
    assert list(broken_links(ROOT / "README.md", "[a](nowhere.md)")) == ["nowhere.md: no such file"]
    (tmp_path / "page.md").write_text(text)
    assert anchors(text) == {"one"}
    assert not page.exists()


def test_every_page_can_be_reached_from_the_front_page() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text()) if target]
    assert sorted(map(named, set(PAGES) - reached)) == []
