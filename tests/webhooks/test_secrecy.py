"""A webhook's secret is shown once, at its creation: no record, response, event or log line contains it."""

from __future__ import annotations

import json

import bson
import pymongo
import pytest

from shared.application.services import open_services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.encryption import EncryptionError, SecretCipher
from shared.core.errors import ActionNotPossible
from shared.operations.dispatcher import Dispatcher
from shared.webhooks.model import NewWebhook
from tests.waiting import until
from tests.webhooks.conftest import Post, Run

KEYS = ("an old key of some length", "another key of some length")


def test_neither_the_database_nor_a_delivery_contains_the_secret(
    post: Post, delivery_loop: Run, settings: Settings
) -> None:
    webhook, secret = post.subscribe("*", path="/take/path-secret?key=query-secret")
    _, second = post.services.webhooks.rotate(webhook.id, 60, post.admin)
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 3))
        post.receiver.status = 500
        post.services.webhooks.test(webhook.id, post.admin, 10)
    with pymongo.MongoClient[dict[str, object]](settings.mongodb_uri.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        everything = b"".join(
            bson.encode(row) for name in database.list_collection_names() for row in database[name].find()
        )
        events = b"".join(bson.encode(row) for row in database["events"].find())
    sent = json.dumps([[headers, body.decode()] for headers, body in post.receiver.seen]).encode()
    for word in (secret, second, secret.removeprefix("whsec_"), second.removeprefix("whsec_")):
        assert word.encode() not in everything + sent
    for word in (b"path-secret", b"query-secret"):
        assert word not in events + sent
    assert b"webhook.secret_rotated" in events


def test_a_secret_can_be_decrypted_with_any_key_but_only_for_its_purpose() -> None:
    encrypted = SecretCipher(KEYS[:1], "webhooks").encrypt("text")
    assert "text" not in encrypted
    assert SecretCipher((KEYS[1], KEYS[0]), "webhooks").decrypt(encrypted) == "text"
    for other in (
        SecretCipher(KEYS[1:], "webhooks"),
        SecretCipher(KEYS, "something else"),
        SecretCipher((), "webhooks"),
    ):
        with pytest.raises(EncryptionError):
            other.decrypt(encrypted)
    with pytest.raises(EncryptionError):
        SecretCipher(KEYS, "webhooks").decrypt("no ciphertext")


def test_without_an_encryption_key_no_webhook_can_be_created(
    post: Post, store: Repositories, dispatcher: Dispatcher, settings: Settings
) -> None:
    services = open_services(store, dispatcher, settings.model_copy(update={"stamp_keys": ()}))
    with pytest.raises(ActionNotPossible, match="STAMP_KEYS"):
        services.webhooks.create(NewWebhook("https://hooks.acme.test/"), None, None, post.admin)
