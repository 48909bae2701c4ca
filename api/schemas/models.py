"""Bases of all request, response and query schemas."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from api.schemas.fields import OBJECT_ID, ObjectIdText

MAX_WAIT = 30.0
DEFAULT_LIMIT, MAX_LIMIT = 50, 200

PlanName = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"x-catalogue": "plans"})]
#: default of a field that may be omitted but not be null; only fields that were sent are read
UNSENT: Any = Field(default_factory=lambda: None)
RecordId = Annotated[str, Field(pattern=OBJECT_ID, examples=["65f0c0ffee65f0c0ffee65f0"])]
#: leaves an empty text, list or mapping out of the response
OMIT_EMPTY = BeforeValidator(lambda value: value or None)


def example(value: dict[str, Any], **keywords: Any) -> ConfigDict:
    """Return a `model_config` with this example for the OpenAPI description, and further keywords of its schema."""
    return ConfigDict(json_schema_extra={"examples": [value], **keywords})


class RequestModel(BaseModel):
    """Base of request schemas: camel case in JSON, unknown fields refused, no type coercion."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)

    def sent_fields(self) -> dict[str, Any]:
        """Return only the fields that were sent, lists as tuples."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: tuple(dict.fromkeys(v)) if isinstance(v, list) else v for name, v in found.items()}


class PatchModel(RequestModel):
    """Base of changes, merged into the record (RFC 7396): absent fields stay, null removes an optional one."""


class ResponseModel(BaseModel):
    """Base of all response schemas. A field whose value is None is left out.

    A field is read from the attribute of its name, or from the one that `validation_alias` names.
    """

    model_config = ConfigDict(
        alias_generator=AliasGenerator(serialization_alias=to_camel), from_attributes=True, frozen=True
    )

    @classmethod
    def of(cls, value: object) -> Self:
        """Return the response for a record."""
        return cls.model_validate(value)


def to_json(model: ResponseModel) -> str:
    """Return the JSON text of a record."""
    return model.model_dump_json(by_alias=True, exclude_none=True)


def whole_number(least: int, most: int, unit: str = "") -> BeforeValidator:
    """Return a validator that accepts digits only; pydantic would also accept signs, spaces and underscores."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}", value):
            raise ValueError(f"must be a whole number{unit} from {least} to {most}")
        return value

    return BeforeValidator(check)


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?", value):
        raise ValueError(f"must be a number of seconds from 0 to {MAX_WAIT:.0f}")
    return value


def _yes_or_no(value: Any) -> Any:
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true" if isinstance(value, str) else value


YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]
#: seconds that a request waits, at most MAX_WAIT
WaitSeconds = Annotated[float, BeforeValidator(_decimal)]
#: a filter by slug: any text that a slug may begin or end with, so that an unknown one finds nothing
SLUG_TEXT = "^[a-z0-9-]{1,32}$"
SlugText = Annotated[str, StringConstraints(pattern=SLUG_TEXT)]
#: ids with commas between them, as many as a page can hold
IDS = rf"^[0-9a-f]{{24}}(,[0-9a-f]{{24}}){{0,{MAX_LIMIT - 1}}}$"
Ids = Annotated[str, StringConstraints(pattern=IDS)]


def split_ids(ids: str | None) -> tuple[str, ...] | None:
    """Return the ids of a parameter; None without it."""
    return None if ids is None else tuple(ids.split(","))


class Query(BaseModel):
    """Base of all queries. Unknown parameters are refused: a misspelt one must not pass for an absent one."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WaitQuery(Query):
    wait: WaitSeconds = Field(
        0.0, ge=0, le=MAX_WAIT, description="wait for the operation's end, for at most this many seconds"
    )


class ListQuery(Query):
    limit: Annotated[int, whole_number(1, MAX_LIMIT)] = Field(
        DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="maximum number of records"
    )
    cursor: ObjectIdText | None = Field(None, description="from a Link header")
