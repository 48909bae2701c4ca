"""`platformctl users`, `partners` and `subscriptions`: create, find, update, delete."""

from __future__ import annotations

from typing import Any

import pytest

from tests.platformctl.conftest import Cli

ID = "6b058a725d1747cfeba27b12"


@pytest.fixture
def acme(cli: Cli) -> dict[str, Any]:
    tenant: dict[str, Any] = cli.json("tenants", "create", "acme", "--name", "Acme")
    return tenant


def test_a_user_is_created_found_changed_and_deleted(cli: Cli, acme: dict[str, Any]) -> None:
    options = ("--email", "ann@acme.com", "--name", "Ann", "--role", "owner", "--tenant", "acme")
    ann = cli.json("users", "create", "subject-ann", *options)
    assert (ann["tenantIds"], ann["role"], ann["platformAdmin"]) == ([acme["_id"]], "owner", False)
    assert cli.json("users", "show", ann["_id"]) == ann
    assert [one["email"] for one in cli.json("users", "list", "--tenant", "acme")] == ["ann@acme.com"]
    assert [one["email"] for one in cli.json("users", "list", "--search", "ann@")] == ["ann@acme.com"]
    changed = cli.json("users", "update", ann["_id"], "--role", "admin", "--name", "Ann B", "--if-match", ann["etag"])
    assert (changed["role"], changed["name"]) == ("admin", "Ann B")
    stale = cli("users", "update", ann["_id"], "--role", "member", "--if-match", ann["etag"])
    assert (stale.exit_code, "stale_version" in stale.stderr) == (3, True)
    assert cli.json("users", "update", ann["_id"], "--no-tenants", "--platform-role", "admin")["tenantIds"] == []
    assert cli("users", "delete", ann["_id"], "--yes").exit_code == 0
    assert cli("users", "show", ann["_id"]).exit_code == 3


def test_an_erased_user_is_gone_and_the_command_says_what_remains_and_why(cli: Cli, acme: dict[str, Any]) -> None:
    cli.json("users", "create", "subject-ann", "--email", "ann@acme.com", "--name", "Ann", "--tenant", "acme")
    unconfirmed = cli("users", "delete", "ann@acme.com", "--erase")
    assert (unconfirmed.exit_code, "erase personal data" in unconfirmed.stderr) == (2, True)
    erased = cli("users", "delete", "ann@acme.com", "--erase", "--yes")
    assert erased.exit_code == 0, erased.output
    assert "Erased, also from 1 events. These remain:" in erased.stdout
    assert "  Subscriptions and invoices in Stripe: tax law requires them for years.\n" in erased.stdout
    assert cli("users", "show", "ann@acme.com").exit_code == 2
    assert "ann@acme.com" not in cli("events", "-o", "json").stdout


def test_users_are_listed_by_their_partners_slug(cli: Cli) -> None:
    cli.json("partners", "create", "northwind", "--name", "Northwind")
    options = ("--email", "bo@northwind.com", "--name", "Bo", "--role", "admin", "--partner", "northwind")
    cli.json("users", "create", "subject-bo", *options)
    assert [one["email"] for one in cli.json("users", "list", "--partner", "northwind")] == ["bo@northwind.com"]
    unknown = cli("users", "list", "--partner", "nobody")
    assert (unknown.exit_code, "no partner nobody" in unknown.stderr) == (2, True)


def test_a_partner_is_created_renamed_and_deleted_once_it_has_no_tenant(cli: Cli, acme: dict[str, Any]) -> None:
    partner = cli.json("partners", "create", "northwind", "--name", "Northwind")
    assert [one["slug"] for one in cli.json("partners", "list")] == ["northwind"]
    renamed = cli.json("partners", "update", "northwind", "--name", "Northwind IT", "--if-match", partner["etag"])
    assert cli.json("partners", "show", "northwind") == renamed
    assert cli.json("tenants", "update", "acme", "--partner", "northwind")["partnerId"] == partner["_id"]
    assert [one["slug"] for one in cli.json("tenants", "list", "--partner", "northwind")] == ["acme"]
    used = cli("partners", "delete", partner["_id"], "--yes")
    assert (used.exit_code, "partner_in_use" in used.stderr) == (3, True)
    assert "partnerId" not in cli.json("tenants", "update", "acme", "--no-partner")
    assert cli("partners", "delete", partner["_id"], "--yes").exit_code == 0
    assert cli.json("partners", "list") == []


def test_a_subscription_is_canceled_another_created_by_the_tenants_slug_changed_and_deleted(
    cli: Cli, acme: dict[str, Any]
) -> None:
    options = ("--plan", "business", "--status", "trialing", "--period-end", "2030-01-31T00:00:00Z")
    [first] = cli.json("subscriptions", "list", "--tenant", "acme")
    twice = cli("subscriptions", "create", "acme", *options)
    assert (twice.exit_code, "subscription_exists" in twice.stderr) == (3, True)
    assert cli.json("subscriptions", "update", first["_id"], "--status", "canceled")["status"] == "canceled"
    made = cli.json("subscriptions", "create", "acme", *options)
    assert (made["tenantId"], made["status"]) == (acme["_id"], "trialing")
    assert cli.json("subscriptions", "list", "--tenant", "acme", "--status", "trialing") == [
        {name: value for name, value in made.items() if name != "etag"}
    ]
    changed = cli.json("subscriptions", "update", made["_id"], "--status", "past_due", "--no-period-end")
    assert cli.json("subscriptions", "show", made["_id"]) == changed
    assert "currentPeriodEnd" not in changed
    assert cli("subscriptions", "delete", made["_id"], "--yes").exit_code == 0
    assert [one["_id"] for one in cli.json("subscriptions", "list", "--tenant", "acme")] == [first["_id"]]


def test_a_request_repeated_with_its_key_happens_once(cli: Cli) -> None:
    command = ("partners", "create", "northwind", "--name", "Northwind", "--idempotency-key", "order-4711")
    assert cli.json(*command) == cli.json(*command)
    other = cli("partners", "create", "northwind", "--name", "Other", "--idempotency-key", "order-4711")
    assert (other.exit_code, "idempotency_key_reused" in other.stderr) == (3, True)


@pytest.mark.parametrize("noun", ["users", "partners", "subscriptions"])
def test_a_script_cannot_delete_without_yes(cli: Cli, noun: str) -> None:
    done = cli(noun, "delete", ID)
    assert (done.exit_code, "--yes" in done.stderr) == (2, True)


def test_an_update_without_changes_is_a_usage_error(cli: Cli) -> None:
    assert cli("users", "update", ID).exit_code == 2
    assert cli("subscriptions", "update", ID).exit_code == 2
    assert cli("tenants", "update", "acme").exit_code == 2
