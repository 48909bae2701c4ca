"""How answers are written: camel case, times in UTC with Z, what is empty left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from flask import Response, g
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

ObjectIdText = Annotated[str, Field(pattern="^[0-9a-f]{24}$", examples=["65f0c0ffee65f0c0ffee65f0"])]


class ResponseModel(BaseModel):
    """A field that may be None is left out of the answer when it is."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


_LIST = TypeAdapter(list[Any])


def to_json(model: ResponseModel) -> str:
    """One record as it goes out."""
    return model.model_dump_json(by_alias=True, exclude_none=True)


def json_response(model: ResponseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One record."""
    return json_text_response(to_json(model), status, headers)


def json_text_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One record that is written already."""
    return Response(text, status, dict(headers or {}), content_type="application/json")


def json_texts_response(texts: Sequence[str], headers: Mapping[str, str] | None = None) -> Response:
    """A JSON array of records that are written already."""
    return json_text_response(f"[{','.join(texts)}]", headers=headers)


def shown_once_response(
    model: ResponseModel, again: ResponseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """One record with something that is shown once and kept nowhere: asked again with the same key, `again` is."""
    g.kept_body = to_json(again).encode()
    return json_response(model, status, headers)


def json_list_response(
    models: Sequence[ResponseModel], headers: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """A JSON array of records."""
    text = _LIST.dump_json(list(models), by_alias=True, exclude_none=True)
    return Response(text, status, dict(headers or {}), content_type="application/json")


def etag(version: int) -> dict[str, str]:
    """The header that a later If-Match repeats."""
    return {"ETag": f'"{version}"'}
