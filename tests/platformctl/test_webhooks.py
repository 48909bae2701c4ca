"""`platformctl webhooks`: made, read, changed and removed; tried out, looked into, sent again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared.application.store import Store
from shared.config.settings import Settings
from tests.platformctl.conftest import Cli
from tests.webhooks.receiver import Receiver
from worker.jobs.webhook_delivery.delivery_loop import open_courier

URL = "https://hooks.acme.test/take"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with made.running():
        yield made


@pytest.fixture
def delivering(api_settings: Settings, store: Store) -> Iterator[None]:
    """The sweep's part: events are sent."""
    courier = open_courier(store, api_settings)
    thread = threading.Thread(target=courier.run, args=(0.05,))
    thread.start()
    yield
    courier.stop()
    thread.join(20)


def made(cli: Cli, *options: str, url: str = URL) -> dict[str, Any]:
    webhook: dict[str, Any] = cli.json("webhooks", "create", url, *options)
    return webhook


def test_a_webhook_is_made_shown_without_its_secret_changed_and_removed(cli: Cli) -> None:
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


def test_the_secret_is_shown_once_and_said_to_be(cli: Cli) -> None:
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


def test_a_tenants_webhook_is_made_and_listed_by_its_slug(cli: Cli) -> None:
    acme = cli.json("tenants", "create", "acme", "--name", "Acme")
    webhook = made(cli, "--tenant", "acme", "--disable")
    made(cli)
    assert (webhook["tenantId"], webhook["enabled"]) == (acme["_id"], False)
    assert [one["_id"] for one in cli.json("webhooks", "list", "--tenant", "acme")] == [webhook["_id"]]


def test_what_is_wrong_with_a_webhook_is_told_with_its_place(cli: Cli) -> None:
    refused = cli("webhooks", "create", "ftp://acme.test/", "--action", "tenant")
    assert refused.exit_code == 3
    assert "/actions/0:" in refused.stderr


@pytest.mark.usefixtures("delivering")
def test_a_ping_ends_by_what_became_of_it(cli: Cli, receiver: Receiver) -> None:
    webhook = made(cli, url=f"{receiver.url}/take")
    well = cli("webhooks", "test", webhook["_id"], "-o", "json")
    assert (well.exit_code, json.loads(well.stdout)["status"]) == (0, "delivered")
    receiver.status = 500
    ill = cli("webhooks", "test", webhook["_id"])
    assert ill.exit_code == 1
    assert "not_taken" in ill.stdout


def test_a_ping_that_nobody_sends_ends_with_6(cli: Cli) -> None:
    assert cli("webhooks", "test", made(cli)["_id"], "--timeout", "0.1").exit_code == 6


@pytest.mark.usefixtures("delivering")
def test_deliveries_are_listed_by_how_they_ended_and_one_is_sent_again(cli: Cli, receiver: Receiver) -> None:
    webhook = made(cli, "--action", "partner.*", url=f"{receiver.url}/take")["_id"]
    delivery = cli.json("webhooks", "test", webhook)
    assert cli.json("webhooks", "deliveries", webhook) == [delivery]
    assert cli.json("webhooks", "deliveries", webhook, "--status", "failed") == []
    assert "webhook.ping" in cli("webhooks", "deliveries", webhook).stdout
    again = cli.json("webhooks", "replay", webhook, delivery["id"])
    assert (again["id"], again["status"]) == (delivery["id"], "pending")
