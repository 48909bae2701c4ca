"""`platformctl webhooks`: create, show, update, delete; test, deliveries, replay."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.platformctl.conftest import Cli
from tests.webhooks.receiver import Receiver
from worker.composition import open_delivery_loop

URL = "https://hooks.acme.test/take"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with made.running():
        yield made


@pytest.fixture
def delivering(api_settings: Settings, store: Repositories) -> Iterator[None]:
    """Deliver events, as the scheduler does."""
    delivery_loop = open_delivery_loop(store, api_settings)
    thread = threading.Thread(target=delivery_loop.run, args=(0.05,))
    thread.start()
    yield
    delivery_loop.stop()
    thread.join(20)


def made(cli: Cli, *options: str, url: str = URL) -> dict[str, Any]:
    webhook: dict[str, Any] = cli.json("webhooks", "create", url, *options)
    return webhook


def test_the_secret_is_shown_beside_a_bare_name_too(cli: Cli) -> None:
    created = cli("webhooks", "create", URL, "-o", "name")
    assert len(created.stdout.strip()) == 24
    assert "The secret: whsec_" in created.stderr


def test_a_webhook_is_created_shown_without_its_secret_changed_and_deleted(cli: Cli) -> None:
    webhook = made(cli, "--action", "tenant.*", "--action", "operation.failed")
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert (webhook["actions"], webhook["enabled"]) == (["tenant.*", "operation.failed"], True)
    place = webhook["_id"]
    assert cli.json("webhooks", "show", place) == webhook
    changed = cli.json("webhooks", "update", place, "--disable", "--action", "*", "--if-match", webhook["etag"])
    assert (changed["enabled"], changed["actions"], changed["url"]) == (False, ["*"], URL)
    stale = cli("webhooks", "update", place, "--enable", "--if-match", webhook["etag"])
    assert (stale.exit_code, "stale_version" in stale.stderr) == (3, True)
    listed = cli("webhooks", "list").stdout
    assert place in listed
    assert secret not in listed
    assert cli("webhooks", "delete", place).exit_code == 2
    assert cli("webhooks", "delete", place, "--yes").exit_code == 0
    assert cli("webhooks", "show", place).exit_code == 3


def test_the_secret_is_shown_once_with_a_warning(cli: Cli) -> None:
    command = ("webhooks", "create", URL, "--idempotency-key", "order-4711")
    first, again = cli(*command), cli(*command)
    assert "whsec_" in first.stdout
    assert "not shown again" in first.stderr
    assert "whsec_" not in again.stdout
    assert "platformctl webhooks rotate-secret" in again.stderr


def test_a_new_secret_replaces_the_old_one(cli: Cli) -> None:
    webhook = made(cli)
    rotated = cli.json("webhooks", "rotate-secret", webhook["_id"], "--grace", "0")
    assert rotated["secret"] != webhook["secret"]
    assert cli("webhooks", "rotate-secret", webhook["_id"], "--grace", "99999999").exit_code == 3


def test_a_tenants_webhook_is_created_and_listed_by_its_slug(cli: Cli) -> None:
    acme = cli.json("tenants", "create", "acme", "--name", "Acme")
    webhook = made(cli, "--tenant", "acme", "--disable")
    made(cli)
    assert (webhook["tenantId"], webhook["enabled"]) == (acme["_id"], False)
    assert [one["_id"] for one in cli.json("webhooks", "list", "--tenant", "acme")] == [webhook["_id"]]


def test_faults_of_a_webhook_are_printed_with_pointers(cli: Cli) -> None:
    refused = cli("webhooks", "create", "ftp://acme.test/", "--action", "tenant")
    assert refused.exit_code == 3
    assert "/actions/0:" in refused.stderr


@pytest.mark.usefixtures("delivering")
def test_the_exit_code_of_a_webhook_test_shows_the_pings_delivery(cli: Cli, receiver: Receiver) -> None:
    webhook = made(cli, url=f"{receiver.url}/take")
    well = cli("webhooks", "test", webhook["_id"], "-o", "json")
    assert (well.exit_code, json.loads(well.stdout)["status"]) == (0, "delivered")
    receiver.status = 500
    ill = cli("webhooks", "test", webhook["_id"])
    assert ill.exit_code == 1
    assert "not_taken" in ill.stdout


def test_a_ping_that_times_out_exits_with_6(cli: Cli) -> None:
    assert cli("webhooks", "test", made(cli)["_id"], "--timeout", "0.1").exit_code == 6


@pytest.mark.usefixtures("delivering")
def test_deliveries_are_filtered_by_status_and_one_is_replayed(cli: Cli, receiver: Receiver) -> None:
    webhook = made(cli, "--action", "partner.*", url=f"{receiver.url}/take")["_id"]
    delivery = cli.json("webhooks", "test", webhook)
    assert cli.json("webhooks", "deliveries", webhook) == [delivery]
    assert cli.json("webhooks", "deliveries", webhook, "--status", "failed") == []
    assert "webhook.ping" in cli("webhooks", "deliveries", webhook).stdout
    again = cli.json("webhooks", "replay", webhook, delivery["id"])
    assert (again["id"], again["status"]) == (delivery["id"], "pending")
