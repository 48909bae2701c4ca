"""Read a request's body and query strictly, and validate all of it, so that a response lists all invalid fields."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from flask import g, request
from pydantic import BaseModel, ValidationError

from api.http.problem_details import Problem
from api.http.response_headers import PATCH_TYPES
from api.schemas.fields import OBJECT_ID
from api.schemas.models import IDS, MAX_LIMIT, SLUG_TEXT, Query
from shared.billing.stripe_events import SIGNATURE_HEADER
from shared.core.errors import FieldError, InvalidInput

KIB = 1024
MAX_BODY_BYTES = 64 * KIB
STRIPE_PATH = "/stripe/events"
STRIPE_SIGNATURE = SIGNATURE_HEADER.lower()
#: an event contains a whole Stripe object, such as an invoice with all its lines
MAX_EVENT_BYTES = 256 * KIB
MAX_DEPTH = 20
#: characters that no text may contain: NUL and lone surrogates
FORBIDDEN = re.compile("[\x00\ud800-\udfff]")

#: how pydantic begins a message about a value, and what it adds about its own work
SUBJECT = re.compile("^(Input|String|List|Dictionary|Datetime|Number) should ")
INTERNAL = re.compile(" after validation, not [0-9]+$")
#: pydantic's kind of fault to a message in terms of JSON
MESSAGES = {
    "missing": "is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "timezone_aware": "must have an offset from UTC, such as Z",
}

ID_FORM = "24 characters of 0-9 and a-f, as `_id` or `id` of a record shows it"
#: pattern to what a text must be
FORMS = {
    OBJECT_ID: f"must be an id: {ID_FORM}",
    IDS: f"must be at most {MAX_LIMIT} ids with commas between them, each {ID_FORM}",
    SLUG_TEXT: "must be a slug: at most 32 characters of a-z, 0-9 and hyphens",
}
#: parameters with a position in a list
POSITIONS = ("?cursor", "?after")

Model = TypeVar("Model", bound=BaseModel)
AnyQuery = TypeVar("AnyQuery", bound=Query)


def body_limit(path: str) -> int:
    """Return the maximum size of a body for this path, in bytes."""
    return MAX_EVENT_BYTES if _is_stripe(path) else MAX_BODY_BYTES


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Return whether the body is compressed. Compressed bodies are refused: few bytes can become very many."""
    return headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def is_refused_by_headers(path: str, headers: Mapping[str, str]) -> bool:
    """Return whether the headers alone refuse the request: compressed, too long, or without credentials.

    `headers`: by lower-case name.
    """
    needed = STRIPE_SIGNATURE if _is_stripe(path) else "authorization"
    return needed not in headers or is_encoded(headers) or _length(headers) > body_limit(path)


def _is_stripe(path: str) -> bool:
    return path.rstrip("/") == STRIPE_PATH


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() else 0


def parse_body(model: type[Model]) -> Model:
    """Parse the request's body into a model. Raises Problem (400, 413, 415), InvalidInput."""
    if request.method == "POST" and may_be_absent(model) and not raw_body():
        return model()
    if request.mimetype not in (PATCH_TYPES if request.method == "PATCH" else PATCH_TYPES[:1]):
        raise Problem(415, "unsupported_media_type", "Send JSON, with Content-Type: application/json.")
    return validate(model, _parse(raw_body()), "/")


def parse_query(model: type[AnyQuery]) -> AnyQuery:
    """Parse the request's parameters into a model. Raises InvalidInput."""
    if not request.query_string:
        nothing: AnyQuery = _without_parameters(model)
        return nothing
    try:
        request.query_string.decode()
    except UnicodeDecodeError:  # Flask cannot parse such a query
        raise InvalidInput([FieldError("?", "is not UTF-8; percent-encode every parameter")]) from None
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise InvalidInput([FieldError(f"?{name}", "is given more than once") for name in twice])
    return validate(model, request.args.to_dict(), "?")


@functools.cache
def _without_parameters(model: type[Query]) -> Any:
    """Return the query of a request without parameters; it is frozen, so all requests share one."""
    return validate(model, {}, "?")


@functools.cache
def may_be_absent(model: type[BaseModel]) -> bool:
    """Return whether a POST may leave this body out, because each of its fields is optional."""
    try:
        model.model_validate({})
    except ValidationError:
        return False
    return True


def refuse_body() -> None:
    """Refuse a body on a route that takes none, because the client expects an effect. Raises Problem (400)."""
    if raw_body():
        raise Problem(400, "unexpected_body", "This route takes no body; send none.")


def raw_body() -> bytes:
    """Read the body, once. Raises Problem (413, 415), by the headers before reading where possible."""
    if "raw_body" not in g:
        if is_encoded({"content-encoding": request.headers.get("Content-Encoding", "")}):
            raise Problem(415, "unsupported_media_type", "Send the body uncompressed, without Content-Encoding.")
        largest = body_limit(request.path)
        is_declared_larger = (request.content_length or 0) > largest
        raw = b"" if is_declared_larger else request.stream.read(largest + 1)
        if is_declared_larger or len(raw) > largest:
            raise Problem(413, "body_too_large", f"The body is larger than {largest // 1024} KiB.")
        g.raw_body = raw
    found: bytes = g.raw_body
    return found


def validate(model: type[Model], given: Any, mark: str) -> Model:
    """Validate `given` as a model. Raises InvalidInput with each invalid field; pointers begin with `mark`."""
    try:
        return model.model_validate(given)
    except ValidationError as problem:
        raise InvalidInput([_field_error(dict(error), mark) for error in problem.errors(include_url=False)]) from None


def _parse(raw: bytes) -> Any:
    try:
        given = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        reason = str(problem) if isinstance(problem, _Unacceptable) else "it cannot be parsed"
        raise Problem(400, "malformed_json", f"The body is not valid JSON (RFC 8259): {reason}.") from None
    _check_texts(given, 0)
    return given


class _Unacceptable(ValueError):
    """JSON that only a lenient parser would accept; the message says why it is refused."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unacceptable("a name is used twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise _Unacceptable(f"{name} is not a JSON value")


def _check_texts(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Problem(400, "malformed_json", f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check_texts(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner, depth + 1)


def _check_text(text: str) -> None:
    if FORBIDDEN.search(text):
        raise Problem(400, "malformed_json", "The body has a text with a NUL or a lone surrogate.")


def _field_error(error: dict[str, Any], mark: str) -> FieldError:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"]]
    pointer = mark + "/".join(parts) if parts else ""
    if error["type"] == "extra_forbidden":
        return FieldError(
            pointer, "is not a field of this record" if mark == "/" else "is not a parameter of this route"
        )
    if pointer in POSITIONS:
        return FieldError(pointer, "is no position of this list: use the address in the Link header unchanged")
    return FieldError(pointer, MESSAGES.get(error["type"]) or _sentence(error))


def _sentence(error: dict[str, Any]) -> str:
    """Return pydantic's message without its subject, which the pointer names, and without terms of its own."""
    if error["type"] in ("string_too_short", "too_short") and error["ctx"]["min_length"] == 1:
        return "must not be empty"
    if error["type"] == "string_pattern_mismatch" and (form := FORMS.get(error["ctx"]["pattern"])):
        return form
    return INTERNAL.sub("", SUBJECT.sub("must ", str(error["msg"]).removeprefix("Value error, ")))
