"""The client's records and bodies are those of the API's description.

A new field of a schema is added to `inputs`, `models` or another module whose name ends with `_models`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from client import Platform, export_models, inputs, models, operator_models, webhook_models
from client.resources.records import Listing
from shared.integrations.catalog import REMOTE_FIELDS

#: method and path to the type of its response, or of its list's items
RESPONSES: dict[tuple[str, str], Any] = {
    ("get", "/tenants/{slug}"): models.Tenant,
    ("get", "/operations/{operation_id}"): models.Operation,
    ("get", "/tenants/check"): models.Availability,
    ("get", "/tenants/{slug}/domains"): models.Domain,
    ("get", "/tenants/{slug}/receipt"): export_models.Receipt,
    ("get", "/tenants/{slug}/export"): export_models.Export,
    ("post", "/tenants/{slug}/pause"): models.TenantPause,
    ("get", "/users/{user_id}"): models.User,
    ("delete", "/users/{user_id}"): operator_models.Erasure,
    ("get", "/partners/{partner_id}"): models.Partner,
    ("get", "/subscriptions/{subscription_id}"): models.Subscription,
    ("get", "/me"): models.Profile,
    ("get", "/plans"): models.Plan,
    ("get", "/events"): models.Event,
    ("get", "/integrations"): operator_models.Integration,
    ("get", "/status"): operator_models.Status,
    ("get", "/operations/summary"): operator_models.Summary,
    ("get", "/bulk-operations/{bulk_id}"): operator_models.BulkOperation,
    ("get", "/diagnostics/{run_id}"): operator_models.Diagnosis,
    ("get", "/observe-only"): operator_models.ObserveOnly,
    ("get", "/purges"): operator_models.PurgeQuota,
    ("get", "/orphans"): operator_models.Orphan,
    ("get", "/orphans/looks"): operator_models.OrphanScan,
    ("post", "/webhooks"): webhook_models.Webhook,
    ("get", "/webhooks/{webhook_id}/deliveries"): webhook_models.Delivery,
}
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/tenants"): inputs.NewTenant,
    ("patch", "/tenants/{slug}"): inputs.TenantChanges,
    ("post", "/users"): inputs.NewUser,
    ("patch", "/users/{user_id}"): inputs.UserChanges,
    ("post", "/partners"): inputs.NewPartner,
    ("patch", "/partners/{partner_id}"): inputs.PartnerChanges,
    ("post", "/subscriptions"): inputs.NewSubscription,
    ("patch", "/subscriptions/{subscription_id}"): inputs.SubscriptionChanges,
    ("post", "/webhooks"): inputs.NewWebhook,
    ("patch", "/webhooks/{webhook_id}"): inputs.WebhookChanges,
}
#: schemas that no method of the client returns, and bodies that a method builds from its arguments
NOT_IN_THE_CLIENT = {
    *("HealthResponse", "ReadinessResponse"),
    *("BulkOperationRequest", "ObserveOnlyRequest", "RaiseQuotaRequest", "SuspensionRequest"),
}
#: a tenant's id in a product comes and goes with the product's integration
REMOTE = set(REMOTE_FIELDS)
JSON_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}

Schema = dict[str, Any]


class Description:
    def __init__(self, document: Schema) -> None:
        self.document = document

    def response(self, method: str, path: str) -> Schema:
        responses = self.document["paths"][path][method]["responses"]
        [success] = [one for status, one in responses.items() if status == min(responses)]
        schema = self.resolved(success["content"]["application/json"]["schema"])
        return self.resolved(schema["items"]) if schema.get("type") == "array" else schema

    def body(self, method: str, path: str) -> Schema:
        content = self.document["paths"][path][method]["requestBody"]["content"]
        return self.resolved(content["application/json"]["schema"])

    def resolved(self, schema: Schema) -> Schema:
        """Resolve references and drop the null that means absence."""
        if "$ref" in schema:
            return self.resolved(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        choices = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
        return self.resolved(choices[0]) if len(choices) == 1 else schema


def differences(described: Description, schema: Schema, record: Any, place: str, *, exact: bool) -> Iterator[str]:
    """Compare a schema with a TypedDict, and the ones inside them."""
    hints = get_type_hints(record, include_extras=True)
    properties = schema["properties"]
    missing = [name for name in properties if name not in hints and name not in REMOTE]
    yield from (f"{place}.{name} is not in the client" for name in missing)
    yield from (f"{place}.{name} is not in the API" for name in hints if name not in properties)
    required = set(schema.get("required", [])) if exact else set()
    # the annotations are text, so the class itself does not know which fields may be absent
    optional = {name for name, hint in hints.items() if get_origin(hint) is NotRequired or not record.__total__}
    if exact and (wrong := required ^ (hints.keys() - optional)):
        yield f"{place}: required in one only: {sorted(wrong)}"
    for name in properties.keys() & hints.keys():
        yield from _of_field(described, described.resolved(properties[name]), hints[name], f"{place}.{name}", exact)


def _of_field(described: Description, schema: Schema, hint: Any, place: str, exact: bool) -> Iterator[str]:
    kind = _plain(hint)
    if is_typeddict(kind):
        yield from differences(described, schema, kind, place, exact=exact)
        return
    if get_origin(kind) is Literal:
        if exact and "enum" in schema and set(schema["enum"]) != set(get_args(kind)):
            yield f"{place} may be {sorted(schema['enum'])}"
        return
    found = get_origin(kind) or kind
    if "type" in schema and JSON_TYPES[schema["type"]] is not found:
        yield f"{place} is of type {schema['type']}"
    if schema.get("type") == "array":
        yield from _of_field(described, described.resolved(schema["items"]), get_args(kind)[0], f"{place}[]", exact)


def _plain(hint: Any) -> Any:
    if get_origin(hint) is NotRequired:
        return _plain(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        [inner] = [one for one in get_args(hint) if one is not type(None)]
        return _plain(inner)
    return hint


def schemas(operation: Schema) -> set[str]:
    """Return the names of the schemas that an operation takes and returns."""
    successes = [one for status, one in operation["responses"].items() if status.startswith("2")]
    contents = [one.get("content", {}) for one in (operation.get("requestBody", {}), *successes)]
    found = [one["application/json"]["schema"] for one in contents if "application/json" in one]
    return {one.get("items", one)["$ref"].rpartition("/")[2] for one in found if "$ref" in one.get("items", one)}


@pytest.fixture
def described(platform: Platform) -> Description:
    return Description(platform.request("GET", "/openapi.json").data)


def test_records_have_the_fields_of_the_apis_responses(described: Description) -> None:
    found = [
        line
        for (method, path), record in RESPONSES.items()
        for line in differences(described, described.response(method, path), record, record.__name__, exact=True)
    ]
    assert not found, "\n".join(found)


def test_request_bodies_have_the_fields_that_the_api_accepts(described: Description) -> None:
    found = [
        line
        for (method, path), record in BODIES.items()
        for line in differences(described, described.body(method, path), record, record.__name__, exact=False)
    ]
    assert not found, "\n".join(found)


def test_every_schema_of_a_route_is_compared_with_the_client(described: Description) -> None:
    paths = described.document["paths"]
    compared = set().union(*(schemas(paths[path][method]) for method, path in (*RESPONSES, *BODIES)))
    missing = {
        f"{method} {path}: {name}"
        for path, operations in paths.items()
        for method, operation in operations.items()
        for name in schemas(operation) - compared - NOT_IN_THE_CLIENT
    }
    assert not missing, "add them to RESPONSES or BODIES:\n" + "\n".join(sorted(missing))


def test_each_list_names_its_filters(platform: Platform, described: Description) -> None:
    lists = (one for name in dir(Platform) if isinstance(one := getattr(platform, name), Listing))
    missing = [
        f"{type(one).__name__}: {parameter['name']}"
        for one in lists
        for parameter in described.document["paths"][one._path]["get"].get("parameters", [])
        if parameter["name"] not in re.findall(r"\w+", f"{type(one).__doc__} limit cursor")
        and not parameter["name"].startswith("step.")
    ]
    assert not missing
