"""The OpenAPI description describes every tag, parameter, field and body, and its examples are valid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.app import create_app
from api.http.route_spec import spec_of
from api.openapi.generator import describe
from shared.config.settings import Settings


@pytest.fixture
def description(settings: Settings) -> dict[str, Any]:
    return describe(create_app(settings), "1.0", settings.plans)


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def test_every_schema_and_field_is_described(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"].items()
    missing = [name for name, schema in schemas if not schema.get("description")]
    missing += [
        f"{name}.{field}"
        for name, schema in schemas
        for field, one in schema.get("properties", {}).items()
        if not one.get("description")
    ]
    assert missing == []


def test_every_parameter_and_tag_is_described(description: dict[str, Any]) -> None:
    tags = {one["name"] for one in description["tags"] if one["description"]}
    found = list(operations(description))
    assert {tag for _, operation in found for tag in operation["tags"]} == tags
    assert not [
        (name, one["name"]) for name, operation in found for one in operation["parameters"] if not one["description"]
    ]
    assert description["servers"] == [{"url": "/", "description": description["servers"][0]["description"]}]


def test_no_name_of_a_schema_shows_a_module(description: dict[str, Any]) -> None:
    assert not [name for name in description["components"]["schemas"] if "__" in name]


def test_a_field_of_a_request_that_may_be_left_out_has_no_default_and_is_not_required(
    description: dict[str, Any],
) -> None:
    for name, schema in description["components"]["schemas"].items():
        if name.endswith("Request"):
            assert not [field for field, one in schema["properties"].items() if "default" in one], name
    assert "required" not in description["components"]["schemas"]["BillingInfoRequest"]
    assert "required" not in description["components"]["schemas"]["AddressRequest"]


def test_every_body_has_an_example_that_its_model_accepts(settings: Settings, description: dict[str, Any]) -> None:
    app = create_app(settings)
    bodies = [spec.body for endpoint in app.view_functions if (spec := spec_of(app, endpoint)) and spec.body]
    shown = [
        media["example"]
        for _, operation in operations(description)
        for media in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert len(shown) >= len(bodies) > 10
    for body in bodies:
        body.model_validate(body.model_config["json_schema_extra"]["examples"][0])  # type: ignore[index,call-overload]


def test_a_patch_is_described_with_both_media_types(description: dict[str, Any]) -> None:
    patched = {name: one for name, one in operations(description) if name.startswith("patch ")}
    assert patched
    for name, operation in patched.items():
        assert set(operation["requestBody"]["content"]) == {"application/json", "application/merge-patch+json"}, name
