"""The product's sources, parsed once for all tests of this folder."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "worker", "shared", "serving", "sandbox", "tools", "client", "platformctl", "console")


@cache
def trees() -> dict[Path, ast.Module]:
    """Return every module's syntax tree by its path below the root."""
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT): ast.parse(path.read_text()) for path in files}
