"""Write JSON responses, and the headers that depend on their record."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, request
from pydantic import TypeAdapter

from api.schemas.models import ResponseModel, to_json
from shared.operations.model import Operation

_LIST = TypeAdapter(list[Any])


def json_response(model: ResponseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Respond with one record."""
    return json_text_response(to_json(model), status, headers)


def json_text_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Respond with a record that is already JSON text."""
    return Response(text, status, dict(headers or {}), content_type="application/json")


def json_texts_response(texts: Sequence[str], headers: Mapping[str, str] | None = None) -> Response:
    """Respond with a JSON array of records that are already JSON text."""
    return json_text_response(f"[{','.join(texts)}]", headers=headers)


def shown_once_response(
    model: ResponseModel, again: ResponseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Respond with a secret that is shown once and not stored: a replayed response shows `again`."""
    g.kept_body = to_json(again).encode()
    return json_response(model, status, headers)


def json_list_response(
    models: Sequence[ResponseModel], headers: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """Respond with a JSON array of records."""
    text = _LIST.dump_json(list(models), by_alias=True, exclude_none=True)
    return Response(text, status, dict(headers or {}), content_type="application/json")


def etag(version: int) -> dict[str, str]:
    """Return the ETag header of a record's version, for a later If-Match."""
    return {"ETag": f'"{version}"'}


def retry_after(operation: Operation | None) -> dict[str, str]:
    """Return the Retry-After header of a running operation; no header for another."""
    return {"Retry-After": "1"} if operation is not None and not operation.settled else {}


def link(relation: str, **changes: str | None) -> str:
    """Write a link (RFC 8288) to this request's path with changed parameters; None removes one."""
    arguments = {key: value for key, value in {**request.args.to_dict(), **changes}.items() if value is not None}
    return f'<{request.path}?{urlencode(arguments)}>; rel="{relation}"'


def next_link(following: str | None) -> dict[str, str]:
    """Return the Link header of the next page; empty on the last page."""
    return {} if following is None else {"Link": link("next", cursor=following)}


def json_stream_response(fields: Mapping[str, ResponseModel | Iterator[Sequence[ResponseModel]]]) -> Response:
    """Stream one JSON object whose lists are written page by page, as they are read.

    The first page is read before the response begins; a later error can only abort the response.
    """
    pieces = _pieces(fields)
    return Response(itertools.chain([next(pieces)], pieces), content_type="application/json")


def _pieces(fields: Mapping[str, ResponseModel | Iterator[Sequence[ResponseModel]]]) -> Iterator[str]:
    text = "{"
    for name, value in fields.items():
        text += f'{"" if text == "{" else ","}"{name}":'
        if isinstance(value, ResponseModel):
            text += to_json(value)
            continue
        text, separator = f"{text}[", ""
        for page in value:
            text += separator + ",".join(map(to_json, page))
            separator = "," if page else separator
            yield text
            text = ""
        text += "]"
    yield f"{text}}}"
