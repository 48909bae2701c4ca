"""Generate the OpenAPI 3.1 description from the routes' specifications and their models."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from api.http.problem_details import STATUS
from api.http.request_input import may_be_absent
from api.http.response_headers import PATCH_TYPES
from api.http.route_spec import ENTITY_TAG, RouteSpec, spec_of
from api.openapi.components import REF, Components, Schema, example_of
from api.openapi.descriptions import PARAMETERS, TAGS
from api.schemas.models import Query
from api.schemas.service import ProblemResponse
from shared.core.errors import AlreadyDone, DomainError, KeyInProgress, KeyReused, StaleVersion
from shared.switches.model import SWITCHES

ID = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
#: path parameter to its schema
PATH_PARAMETERS: dict[str, Schema] = {
    "slug": {"type": "string", "pattern": "^[a-z](-?[a-z0-9])+$", "minLength": 3, "maxLength": 32},
    "domain": {"type": "string", "pattern": r"^[a-z0-9-]{1,60}(\.[a-z0-9-]{1,60}){1,3}$"},
    "integration": {"enum": list(SWITCHES)},
    "step": {"type": "string", "pattern": "^[a-z][a-z_]{0,31}$"},
}
HEADERS: dict[str, str] = {
    "ETag": "the record's version, for a later If-Match",
    "Location": "the record's address",
    "Operation-Location": "the address of the operation that was started",
    "Retry-After": "seconds to wait before the next request",
    "Link": "RFC 8288 links to further pages",
}
STATUS_DESCRIPTIONS: dict[int, str] = {
    400: "The request breaks a rule; `errors` names every fault",
    401: "The token is missing or invalid",
    403: "You may not do this",
    404: "The resource does not exist, or you may not see it",
    408: "The body did not arrive in time",
    409: "The request conflicts with the current state",
    412: "The record has changed since you read it",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests, or the same request a moment ago; see Retry-After",
    500: "An internal error",
    503: "The database or the identity provider cannot be reached, or the service is overloaded; try again",
}


def describe(app: Flask, version: str, plans: Collection[str]) -> Schema:
    """Return the whole description. `plans`: the names of the plan catalogue, which the settings define."""
    routes = [(rule, _of(app, rule)) for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)]
    schemas = Components([spec for _, spec in routes], plans)
    paths: dict[str, Schema] = {}
    for rule, spec in routes:
        operation = _operation(rule, spec, schemas)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(_path(rule), {})[method.lower()] = operation
    tags = dict(TAGS[name] for name in dict.fromkeys(rule.endpoint.partition(".")[0] for rule, _ in routes))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dezky-platform-api",
            "version": version,
            "description": "The tenant control plane of a workspace platform.",
        },
        # the document does not know the host that serves the API at its root
        "servers": [{"url": "/", "description": "the host that serves this document"}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _of(app: Flask, rule: Rule) -> RouteSpec:
    spec = spec_of(app, rule.endpoint)
    if spec is None:
        raise LookupError(f"the view of {rule.endpoint} has no route_spec")
    return spec


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)


def _operation(rule: Rule, spec: RouteSpec, schemas: Components) -> Schema:
    is_post = "POST" in (rule.methods or set())
    found: Schema = {
        "operationId": rule.endpoint.replace(".", "_"),
        "summary": spec.summary,
        "tags": [TAGS[rule.endpoint.partition(".")[0]][0]],
        "parameters": [*_parameters(rule, spec, is_post)],
        "responses": _responses(rule, spec, schemas, is_post),
        "security": [] if spec.is_public else [{"token": []}],
    }
    if not spec.is_public:
        found["description"] = f"Requires a token made for {', '.join(sorted(spec.surfaces))}."
    if spec.body is not None:
        types = PATCH_TYPES if "PATCH" in (rule.methods or ()) else PATCH_TYPES[:1]
        shown = {"schema": schemas.ref(spec.body, "validation"), "example": example_of(spec.body)}
        content = dict.fromkeys(types, shown)
        is_required = "POST" not in (rule.methods or ()) or not may_be_absent(spec.body)
        found["requestBody"] = {"required": is_required, "content": content}
    if spec.signed_by is not None:
        content = {"application/json": {"schema": {"type": "object"}, "example": {"id": "evt_1", "object": "event"}}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameters(rule: Rule, spec: RouteSpec, is_post: bool) -> Iterator[Schema]:
    for name in sorted(rule.arguments):
        schema = PATH_PARAMETERS.get(name, ID)
        yield {"name": name, "in": "path", "required": True, "description": PARAMETERS[name], "schema": schema}
    yield from _query_parameters(spec.query)
    if is_post and not spec.is_public:
        yield _header(
            "Idempotency-Key",
            "a repeated request with the same key gets the first response again, or, when that was lost, 409 "
            "`already_done` with the address of what changed",
            "^[!-~]{1,255}$",
        )
    if spec.signed_by is not None:
        yield _header(spec.signed_by, "the body's signature; requests without a valid one are refused", "^[!-~]+$")
    if spec.takes_version:
        yield _header("If-Match", "the ETag of the record as you last saw it", f"^{ENTITY_TAG}$")


def _header(name: str, text: str, pattern: str) -> Schema:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


def _query_parameters(query: type[Query]) -> Iterator[Schema]:
    schema = query.model_json_schema(by_alias=True, ref_template=REF)
    inlined = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        plain = _inline(field, inlined)
        text = plain.pop("description", None) or PARAMETERS[name]
        plain.pop("title", None)
        yield {"name": name, "in": "query", "required": False, "description": text, "schema": plain}


def _inline(field: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return a parameter's schema without references; an optional parameter does not allow null."""
    choices = [one for one in field.get("anyOf", []) if one != {"type": "null"}]
    found = {key: value for key, value in field.items() if key not in ("anyOf", "$ref") and value is not None}
    inner = choices[0] if choices else field
    reference = inner.get("$ref")
    return (dict(definitions[reference.rpartition("/")[2]]) if reference else dict(inner if choices else {})) | found


def _responses(rule: Rule, spec: RouteSpec, schemas: Components, is_post: bool) -> Schema:
    found: Schema = {}
    for status, model in sorted(spec.responses.items()):
        found[str(status)] = {"description": spec.summary, **_content(model, schemas)}
        if spec.headers and status < 300:
            found[str(status)]["headers"] = {name: _shown(name) for name in spec.headers}
    problem = {"application/problem+json": {"schema": schemas.ref(ProblemResponse, "serialization")}}
    for status, codes in sorted(_problems(rule, spec, is_post).items()):
        why = STATUS_DESCRIPTIONS[status] + (f" ({', '.join(sorted(codes))})" if codes else "")
        known = found.setdefault(str(status), {"description": why})
        known.setdefault("content", {}).update(problem)
    return found


def _shown(name: str) -> Schema:
    return {"description": HEADERS[name], "schema": {"type": "string"}}


def _content(model: Any, schemas: Components) -> Schema:
    if model is None:
        return {}
    if isinstance(model, str):
        return {"content": {model: {"schema": {"type": "string" if model == "text/html" else "object"}}}}
    if isinstance(model, list):
        schema: Schema = {"type": "array", "items": schemas.ref(model[0], "serialization")}
    else:
        schema = schemas.ref(model, "serialization")
    return {"content": {"application/json": {"schema": schema}}}


def _problems(rule: Rule, spec: RouteSpec, is_post: bool) -> dict[int, set[str]]:
    """Return status to error codes: those of the route and those that all routes of its kind share."""
    found: dict[int, set[str]] = {400: set(), 500: set(), 503: {"overloaded"}}
    if rule.endpoint.partition(".")[0] != "health":
        found[429] = {"too_many_requests"}
    kinds: list[type[DomainError]] = list(spec.problems)
    if not spec.is_public:
        found |= {401: set(), 403: set()}
        kinds += [KeyReused, KeyInProgress, AlreadyDone] if is_post else []
    if spec.signed_by is not None:
        found[403] = {"bad_signature"}
    if rule.arguments or "tenant" in spec.query.model_fields:
        found[404] = set()
    if spec.takes_version:
        kinds.append(StaleVersion)
    if spec.body is not None or (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
        found |= {408: {"request_timeout"}, 413: set(), 415: set()}
    for kind in kinds:
        found.setdefault(STATUS[kind], set()).add(kind.code)
    return found
