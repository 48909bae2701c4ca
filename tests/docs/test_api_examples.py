"""The examples of docs/reference/api.md run in order on the real service."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Issuer, issuer  # noqa: F401
from tests.docs.examples import Example, Printed, read, run
from tests.docs.response_comparison import ResponseComparison
from tests.end_to_end.conftest import Platform, make_platform  # noqa: F401

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
SURFACES = ("portal", "partner", "operator")


@pytest.fixture
def service(make_platform, redis_url: str, issuer: Issuer) -> tuple[Platform, str]:  # type: ignore[no-untyped-def] # noqa: F811
    """Start the platform with API, worker and scheduler as processes; yield the API's URL too."""
    issuers = ",".join(f"{issuer.url(one)}={issuer.url(one)}jwks/" for one in SURFACES)
    audiences = ",".join(f"{one}={one}" for one in SURFACES)
    platform = make_platform(redis_url, OIDC_ISSUERS=issuers, OIDC_AUDIENCES=audiences)
    api = platform.start_api()
    platform.start_scheduler()
    platform.start_worker()
    platform.until_ready(api)
    return platform, api


@pytest.fixture
def environment(service: tuple[Platform, str], issuer: Issuer, tmp_path: Path) -> dict[str, str]:  # noqa: F811
    """Return the variables that the document assumes."""
    platform, api = service
    # the service itself creates the group
    issuer.person("jordan")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "API": api,
        "TOKEN": issuer.token("admin"),
        "TOKEN_URL": f"{issuer.simulator.url}/application/o/token/",
        "CLIENT_ID": "operator",
        "APP_PASSWORD": "app-password",
        "MEMBER_TOKEN": issuer.token("jordan", "portal", groups=["tenant-acme"]),
        "STALWART": platform.stalwart.url,
    }


def test_every_example_answers_as_the_document_shows(environment: dict[str, str], tmp_path: Path) -> None:
    assert shutil.which("curl"), "curl is needed and was not found. On Debian or Ubuntu: sudo apt-get install curl"
    examples = read(DOCUMENT.read_text())
    folder = tmp_path / "examples"
    folder.mkdir()
    printed = run(examples, folder, environment)
    comparison = ResponseComparison()
    found = [
        f"docs/reference/api.md:{line}: {difference}"
        for example, left in zip(examples, printed, strict=True)
        for line, difference in differences(example, left, comparison)
    ]
    assert not found, "\n".join(found)


def differences(example: Example, printed: Printed, comparison: ResponseComparison) -> Iterator[tuple[int, str]]:
    """Return the differences to the document, each with its line."""
    if not printed.is_done:
        yield example.line, f"the shell ended here or before: {printed.err}{printed.out}"
        return
    shown = example.answer
    if printed.err or (printed.out and shown is None):
        yield example.line, f"prints what is not shown: {printed.err}{printed.out}"
    if shown is not None:
        compare = comparison.of_http if shown.language == "http" else comparison.of_json
        yield from ((shown.line, difference) for difference in compare(shown.text, printed.out))
