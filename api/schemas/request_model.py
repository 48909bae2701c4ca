"""Base of all request schemas."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

PlanName = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"x-catalogue": "plans"})]
#: default of a field that may be omitted but not be null; only fields that were sent are read
UNSENT: Any = Field(default_factory=lambda: None)


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
