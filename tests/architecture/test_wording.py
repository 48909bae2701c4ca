"""Docstrings are summaries in the field's terms, and name only exceptions that exist."""

from __future__ import annotations

import ast
import builtins
import re
from functools import cache
from pathlib import Path

from tests.architecture.sources import trees

#: starts of a docstring that is no summary, or whose subject is a clause
RIDDLES = re.compile(
    r"(What|Whether|Whoever|Whatever|Those|That which|Raises|How|Who|Where|Which|Why|Tell whether|True if)\b"
)
#: first words of a function's docstring that are no imperative: articles, nouns, third persons
NO_IMPERATIVE = re.compile(
    r"(A|An|The|All|Every|Each|Our|Its|Their|One|This|It|No|In|When|Basic|Integration|Optional|[A-Z][a-z]+(?<!s)s)\b"
)
#: own words for limits and time limits; the field says MAX_, MIN_ and TIMEOUT
LIMITS = re.compile(r"(MOST|LONGEST|LARGEST|BIGGEST|SHORTEST|SMALLEST|FEWEST|LEAST)(_|$)|.*PATIENCE")
RAISED = re.compile(r"\b[Rr]aises? ([A-Z]\w+)")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@cache
def _docstrings() -> list[tuple[Path, Documented, str]]:
    return [
        (path, node, text)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, Documented) and (text := ast.get_docstring(node))
    ]


def _known_names() -> set[str]:
    """Return all names that the code defines, imports or reads from a module."""
    known = set(dir(builtins))
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.alias):
                known.add(node.asname or node.name)
            elif isinstance(node, ast.Attribute):
                known.add(node.attr)
    return known


def test_a_docstring_starts_with_a_summary() -> None:
    assert [f"{path}: {text.splitlines()[0]}" for path, _, text in _docstrings() if RIDDLES.match(text)] == []


def test_a_functions_docstring_starts_with_an_imperative() -> None:
    of_functions = [(path, text) for path, node, text in _docstrings() if isinstance(node, Function)]
    assert [f"{path}: {text.splitlines()[0]}" for path, text in of_functions if NO_IMPERATIVE.match(text)] == []


def test_an_exception_that_a_docstring_names_exists() -> None:
    known = _known_names()
    unknown = [
        f"{path}: {name}" for path, _, text in _docstrings() for name in RAISED.findall(text) if name not in known
    ]
    assert unknown == []


def test_a_limit_is_named_by_the_terms_of_the_field() -> None:
    constants = [
        f"{path}: {node.id}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and LIMITS.match(node.id)
    ]
    assert constants == []
