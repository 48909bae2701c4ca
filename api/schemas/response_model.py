"""Base of all response schemas: camel case, times in UTC with Z, absent fields left out."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

RecordId = Annotated[str, Field(pattern="^[0-9a-f]{24}$", examples=["65f0c0ffee65f0c0ffee65f0"])]
#: leaves an empty text, list or mapping out of the response
OMIT_EMPTY = BeforeValidator(lambda value: value or None)


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
