"""`platformctl context`: named platforms, their precedence, and their display by destructive commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.platformctl.conftest import Cli

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def unset(cli: Cli) -> Cli:
    """An administrator whose environment names no API; contexts do."""
    url = cli.environment["PLATFORM_API_URL"]
    assert url is not None
    cli.environment |= {"PLATFORM_API_URL": None, "PLATFORM_ISSUER": None, "PLATFORM_CLIENT_ID": None}
    assert cli("context", "add", "here", "--api-url", url).exit_code == 0
    assert cli("context", "add", "nowhere", "--api-url", NOWHERE).exit_code == 0
    return cli


def test_the_first_context_is_the_current_one_and_another_can_be_used(unset: Cli) -> None:
    assert unset("whoami").exit_code == 0
    assert [(one["name"], one["current"]) for one in unset.json("context", "list")] == [
        ("here", True),
        ("nowhere", False),
    ]
    assert unset("context", "use", "nowhere").exit_code == 0
    lost = unset("whoami")
    assert (lost.exit_code, NOWHERE in lost.stderr) == (4, True)


def test_a_list_without_contexts_says_how_to_add_one(cli: Cli) -> None:
    assert "platformctl context add NAME --api-url" in cli("context", "list").stderr
    assert cli.json("context", "list") == []


def test_an_option_counts_more_than_a_context_and_a_named_context_more_than_a_variable(unset: Cli) -> None:
    variable = {"PLATFORM_API_URL": NOWHERE}
    assert unset("whoami", env=variable).exit_code == 4  # a variable counts more than the current context
    assert unset("whoami", "--context", "here", env=variable).exit_code == 0
    assert unset("--context", "here", "whoami", env=variable).exit_code == 0
    assert unset("whoami", env={"PLATFORM_CONTEXT": "nowhere"}).exit_code == 4
    assert unset("whoami", "--context", "here", "--api-url", NOWHERE).exit_code == 4


def test_an_unknown_context_is_a_usage_error_that_names_the_known_ones(unset: Cli) -> None:
    for line in (("whoami", "--context", "ther"), ("context", "use", "ther"), ("context", "remove", "ther")):
        refused = unset(*line)
        assert (refused.exit_code, "here, nowhere" in refused.stderr) == (2, True)


def test_a_destructive_command_shows_its_platform(unset: Cli) -> None:
    assert unset("partners", "create", "north", "--name", "North").exit_code == 0
    deleted = unset("partners", "delete", "north", "--yes")
    assert (deleted.exit_code, "(context here): delete the partner north" in deleted.stderr) == (0, True)


def test_a_destructive_command_shows_the_platform_of_a_sign_in(visitor: Cli) -> None:
    url = visitor.environment["PLATFORM_API_URL"]
    assert visitor("login", env={"PLATFORM_CLIENT_SECRET": "operator-secret"}).exit_code == 0
    visitor.environment |= {"PLATFORM_API_URL": None, "PLATFORM_ISSUER": None}
    refused = visitor("partners", "delete", "6b058a725d1747cfeba27b12", "--yes")
    assert f"On {url}: delete the partner 6b058a725d1747cfeba27b12." in refused.stderr


def test_a_removed_context_is_no_longer_the_current_one(unset: Cli) -> None:
    assert unset("context", "remove", "here").exit_code == 0
    assert unset("whoami").exit_code == 5
    assert unset("context", "list", "-o", "name").stdout == "nowhere\n"


def test_a_damaged_file_is_reported_by_its_name(unset: Cli) -> None:
    path = unset.folder / "contexts.yaml"
    for text in ("{", "contexts: 7", "contexts: {a: {nonsense: 1}}", "[]"):
        path.write_text(text)
        refused = unset("whoami")
        assert (refused.exit_code, str(path) in refused.stderr) == (2, True), text


def test_signing_in_and_out_uses_the_settings_of_a_context(visitor: Cli, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("operator-secret")
    assert visitor("context", "add", "here", "--client-secret-file", str(secret)).exit_code == 0
    nothing = dict.fromkeys(("PLATFORM_API_URL", "PLATFORM_ISSUER", "PLATFORM_CLIENT_ID"))
    assert visitor("login", env=nothing).exit_code == 0
    assert visitor("whoami", env=nothing).exit_code == 0
    assert visitor("logout", env=nothing).exit_code == 0
    assert "operator-secret" not in (visitor.folder / "contexts.yaml").read_text()
