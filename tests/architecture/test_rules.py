"""Rules of docs/explanation/architecture.md that import contracts cannot express."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from tests.architecture.sources import ROOT, trees

#: modules that may repeat a request: docs/explanation/architecture.md gives the reason under "Retries"
REPEATING = {"worker/http/session.py", "worker/integrations/stalwart/protocol/jmap.py"}
# no request: the metrics' files of a process that is just starting
READING_AGAIN = {"shared/metrics/exposition.py"}
#: a tenant or partner that a test creates under a fixed slug
FIXED_SLUG = re.compile(r'\.tenant\(f?"|(json=|body = )\{[^}]*"slug": f?"')
#: tests that share a platform
SHARING = ("tests/console/*.py", "tests/sandbox/test_cli.py")


def modules() -> dict[str, ast.Module]:
    """Return dotted names with their parsed sources."""
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): tree for path, tree in trees().items()}


def imported(tree: ast.Module) -> Iterator[str]:
    """Return a module's imports: at its top, within functions, and for the type checker only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Return an import cycle through a module, or nothing."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in done:
            for other in sorted(imports[name]):
                if found := follow(other, [*way, name]):
                    return found
        done.add(name)
        return []

    return next((found for name in sorted(imports) if (found := follow(name, []))), [])


def test_no_module_imports_itself_by_way_of_others() -> None:
    trees = modules()
    imports = {name: {one for one in imported(tree) if one in trees and one != name} for name, tree in trees.items()}
    assert sum(map(len, imports.values())) > 1000
    assert circle(imports) == []


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]


def test_only_listed_modules_repeat_requests() -> None:
    doing = {f"{name.replace('.', '/')}.py" for name, tree in modules().items() if "tenacity" in set(imported(tree))}
    assert doing == REPEATING | READING_AGAIN


def test_no_slug_is_fixed_where_tests_share_a_platform() -> None:
    """A test that failed is repeated, and the slug is taken then: `unused` returns another one."""
    sources = {path.name: path.read_text() for pattern in SHARING for path in ROOT.glob(pattern)}
    assert len(sources) > 10
    assert [name for name, source in sources.items() if FIXED_SLUG.search(source)] == []
