"""The API's start: unique rules need their indexes, so nothing is recorded before these exist."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pymongo
import pytest
import requests
from flask import Flask
from pymongo.client_session import ClientSession
from werkzeug.serving import make_server

from api.app import create_app
from api.startup import prepare_in_background
from shared.config.settings import Settings
from tests.api.conftest import Client, Issuer


@pytest.fixture
def fresh(api_settings: Settings, mongodb_uri: str) -> Iterator[Settings]:
    """Settings with a database that has never been used."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield api_settings.model_copy(update={"mongodb_database": name})
    with pymongo.MongoClient[dict[str, object]](mongodb_uri) as client:
        client.drop_database(name)


@pytest.fixture
def in_the_way(fresh: Settings, mongodb_uri: str) -> Iterator[ClientSession]:
    """Hold a transaction open, which delays the creation of indexes."""
    with (
        pymongo.MongoClient[dict[str, object]](mongodb_uri) as client,
        client.start_session() as session,
        session.start_transaction(),
    ):
        client[fresh.mongodb_database]["operations"].insert_one({"touched": True}, session=session)
        yield session


@contextmanager
def served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def is_ready(url: str) -> bool:
    return requests.get(f"{url}/health/ready", timeout=10).ok


def test_nothing_is_recorded_before_the_indexes_exist(
    fresh: Settings, in_the_way: ClientSession, issuer: Issuer
) -> None:
    app = create_app(fresh)
    preparing = prepare_in_background(app.extensions["services"])
    with served(app) as url:
        admin = Client(url, issuer.token("admin"))
        answer = admin("POST", "/tenants", json={"slug": "acme", "name": "Acme"})
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert not is_ready(url)
        assert requests.get(f"{url}/health/live", timeout=10).ok
        in_the_way.abort_transaction()
        preparing.join(60)
        assert is_ready(url)
        admin("GET", "/users/me")
        assert admin("POST", "/tenants", json={"slug": "acme", "name": "Acme"}).status_code == 201
