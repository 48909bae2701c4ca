"""Changes whose response was lost after the commit: the client reads what they changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from client import ApiError, Platform, Response
from shared.config.settings import Settings
from tests.mongo_proxy import Loss, MongoProxy

DOMAIN = "acme.example"


@pytest.fixture
def api_settings(api_settings: Settings, mongo_proxy: MongoProxy) -> Settings:
    """Let the API reach its database through the proxy."""
    return api_settings.model_copy(update={"mongodb_uri": SecretStr(mongo_proxy.uri)})


@pytest.fixture
def acme(platform: Platform) -> None:
    platform.tenants.create({"slug": "acme", "name": "Acme", "domains": [DOMAIN]})
    list(platform.events.list())  # numbers all events, so that the only transaction of a change is its own


#: change to what its data must have
CHANGES: dict[str, tuple[Callable[[Platform], Response[Any]], dict[str, Any]]] = {
    "record": (lambda api: api.partners.create({"slug": "northwind", "name": "N"}), {"slug": "northwind"}),
    "any request": (lambda api: api.request("POST", "/partners", {"slug": "fabrikam", "name": "F"}), {"name": "F"}),
    "operation": (lambda api: api.tenants.create({"slug": "globex", "name": "Globex"}), {"slug": "globex"}),
    "tenant's pause": (lambda api: api.tenants.pause("acme", "moved"), {"tenant": "acme", "paused": True}),
    "integration": (lambda api: api.integrations.pause("ocis", "upgrade"), {"name": "ocis", "paused": True}),
    "every integration": (lambda api: api.integrations.pause("all", "upgrade"), {"name": "all", "paused": True}),
    "domain": (lambda api: api.domains.verify("acme", DOMAIN), {"domain": DOMAIN}),
    "quota": (lambda api: api.purges.allow(3), {"extra": 3}),
}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("change", CHANGES)
def test_a_repeat_that_finds_the_change_made_returns_it(
    platform: Platform, mongo_proxy: MongoProxy, change: str
) -> None:
    send, expected = CHANGES[change]
    mongo_proxy.loss = Loss.UNCLEAR
    response = send(platform)
    assert (mongo_proxy.lost, response.recovered) == (1, True)
    assert response.data.items() >= expected.items()
    operation = response.data.get("operation")
    assert response.operation_id == (operation and operation["id"])
    assert (operation is not None) == (change == "operation")


def test_a_key_that_its_caller_used_before_is_not_taken_for_a_repeat(
    platform: Platform, issuer: Any, mongo_proxy: MongoProxy
) -> None:
    new = {"slug": "northwind", "name": "Northwind"}
    once = Platform(platform.url, issuer.token("admin"), retries=0)
    mongo_proxy.loss = Loss.UNCLEAR
    with pytest.raises(ApiError) as lost:
        once.connection.post("/partners", new, key="order-1")
    mongo_proxy.mend()
    with pytest.raises(ApiError) as known:
        platform.connection.post("/partners", new, key="order-1")
    assert (lost.value.status, known.value.code) == (503, "already_done")
    assert platform.request("GET", known.value.record or "").data["slug"] == "northwind"
