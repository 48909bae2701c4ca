"""The tables of docs/reference/api.md match the service: error codes, rights, filters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.http.problem_details import HTTP_CODES, STATUS
from api.http.route_spec import spec_of
from api.schemas.models import ListQuery
from shared.config.settings import Settings
from tests.api.conftest import api_settings, issuer  # noqa: F401
from tests.api.test_rights import CALLERS, MAY, TABLE

ROOT = Path(__file__).parents[2]
#: columns of the table of rights, by the callers of the test that holds each route to it
COLUMNS = ("stranger", "member", "owner", "reseller", "admin")
#: a further case of a route, as the document calls it
CASES = {
    "for-nobody": "for another partner",
    "plan": "`plan`",
    "partner": "`partnerId`",
    "tenant": "`tenantId`",
    "power": "`platformAdmin`",
    "with-power": "`platformAdmin`",
}


def table(heading: str) -> list[list[str]]:
    """Return the cells of the document's table with this first column, row by row."""
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    found = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert found is not None, f"docs/reference/api.md has no table of {heading}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in found[1].splitlines()]


def named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# -- error codes


def raised() -> Iterator[tuple[str, int, bool]]:
    """Return the errors in the API's code: code, status, retryable."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from _refusal(node.func.id, node)


def _refusal(name: str, call: ast.Call) -> Iterator[tuple[str, int, bool]]:
    given: list[Any] = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
    if name == "refused":
        given = [401, *given]
    if name not in ("refused", "Problem") or given[1] is None:
        return
    yield given[1], given[0], any(one.arg == "retryable" for one in call.keywords)


def test_the_table_of_errors_has_just_the_codes_that_the_service_has() -> None:
    known = {(kind.code, status, kind.retryable) for kind, status in STATUS.items()}
    known |= {(code, status, False) for status, (code, _) in HTTP_CODES.items()} | set(raised())
    rows = [(named(code)[0], int(status), again == "yes") for code, status, again, _ in table("code")]
    assert len(rows) == len(set(rows))
    assert set(rows) == known


# -- rights


def label(route: str) -> str:
    method, path, *case = route.split(" ")
    path = re.sub(r"<id:[a-z_]+>", "<id>", path)
    return ", ".join([f"`{method} {path}`", *(CASES.get(one, one) for one in case)])


def test_the_documented_table_of_rights_is_the_one_that_routes_enforce() -> None:
    columns = [CALLERS.index(caller) for caller in COLUMNS]
    known = {
        label(route): ["yes" if expected[column] == MAY else str(expected[column]) for column in columns]
        for route, (_, expected) in TABLE.items()
    }
    shown = {row[0]: row[1:] for row in table("route")}
    missing = [f"| {' | '.join([name, *cells])} |" for name, cells in known.items() if shown.get(name) != cells]
    assert not missing, "\n".join(["these rows are not in docs/reference/api.md:", *missing])
    assert set(shown) == set(known)


def test_a_stranger_and_a_misplaced_caller_have_the_same_rights() -> None:
    stranger, misplaced = CALLERS.index("stranger"), CALLERS.index("misplaced")
    assert [row[stranger] for _, row in TABLE.values()] == [row[misplaced] for _, row in TABLE.values()]


# -- filters


@pytest.mark.usefixtures("issuer")
def test_the_table_of_filters_has_just_those_of_each_list(api_settings: Settings) -> None:  # noqa: F811
    app = create_app(api_settings)
    known: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        description = spec_of(app, rule.endpoint)
        if description is not None and issubclass(description.query, ListQuery):
            fields = description.query.model_fields.items()
            names = {field.alias or name for name, field in fields}
            known[re.sub(r"<id:[a-z_]+>", "<id>", rule.rule)] = names - set(ListQuery.model_fields)
    shown = {named(path)[0]: {name for name in named(text) if "=" not in name} for path, text in table("list")}
    assert shown == known
