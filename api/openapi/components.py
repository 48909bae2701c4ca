"""Generate the schemas of all request and response models, with a description for every field."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from api.http.route_spec import RouteSpec
from api.openapi.descriptions import FIELDS, SCHEMAS
from api.schemas.service import ProblemResponse

Schema = dict[str, Any]

REF = "#/components/schemas/{model}"


class _Schemas(GenerateJsonSchema):
    """Generates schemas. A response omits a field that is None, so its schema does not allow null.

    In requests only the description names a default: code generators treat a field with a default as always present,
    and would make their users send it.
    """

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        if self.mode == "serialization":
            return self.generate_inner(schema["schema"])
        return super().nullable_schema(schema)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        found = super().default_schema(schema)
        if self.mode == "serialization" and found.get("default", ...) is not None:
            return found
        default = found.pop("default", None)
        # beside a reference pydantic nests the default, but it belongs to the field
        return found | ({"x-default": default} if default not in (None, "", [], {}) else {})


class Components:
    """The schemas of all models of requests and responses, and the references to them."""

    def __init__(self, specs: Collection[RouteSpec], plans: Collection[str]) -> None:
        models, rest = models_json_schema(_models(specs), ref_template=REF, schema_generator=_Schemas)
        self._refs = models
        found: dict[str, Schema] = rest.get("$defs", {})
        self.definitions = {name: _describe(name, _with_plans(one, sorted(plans))) for name, one in found.items()}

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
        return dict(self._refs[(model, mode)])


def example_of(model: type[BaseModel]) -> Any:
    """Return the example of a request model."""
    extra = model.model_config.get("json_schema_extra")
    examples = extra.get("examples") if isinstance(extra, dict) else None
    if not isinstance(examples, list):
        raise LookupError(f"{model.__name__} has no example")
    return examples[0]


def _models(specs: Collection[RouteSpec]) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemResponse, "serialization"): None}
    for spec in specs:
        if spec.body is not None:
            wanted[(spec.body, "validation")] = None
        for model in spec.responses.values():
            one = model[0] if isinstance(model, list) else model
            if isinstance(one, type):
                wanted[(one, "serialization")] = None
    return list(wanted)


def _describe(name: str, schema: Schema) -> Schema:
    """Return the schema with a description for itself and each field, from the tables where the model has none."""
    found = {**schema}
    if name in SCHEMAS:
        found["description"] = SCHEMAS[name]
    if "properties" in schema:
        found["properties"] = {field: _field(name, field, one) for field, one in schema["properties"].items()}
    return found


def _field(name: str, field: str, schema: Schema) -> Schema:
    known = FIELDS.get(f"{name}.{field}") or schema.get("description") or FIELDS.get(field)
    default = schema.get("x-default")
    text = f"{known or ''}; {default} by default" if default is not None else known
    found = {key: value for key, value in schema.items() if key != "x-default"}
    return found | ({"description": text} if text else {})


def _with_plans(schema: Any, plans: list[str]) -> Any:
    """Return the schema with the catalogue's names as the enumeration of every plan field."""
    if isinstance(schema, list):
        return [_with_plans(one, plans) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _with_plans(value, plans) for key, value in schema.items() if key != "x-catalogue"}
    return found | ({"enum": plans} if "x-catalogue" in schema else {})
