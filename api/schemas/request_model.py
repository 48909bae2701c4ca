"""What every body has in common, and the parts that several share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

PlanName = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"x-catalogue": "plans"})]
#: the default of a field that may be left out but not be null; only what was sent is ever looked at
UNSENT: Any = Field(default_factory=lambda: None)


def example(value: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a model with this example, which documents show."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class RequestModel(BaseModel):
    """Field names are camel case outside; unknown ones are refused; nothing is coerced from another type."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)

    def sent_fields(self) -> dict[str, Any]:
        """Just what was sent, lists as tuples."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: tuple(dict.fromkeys(v)) if isinstance(v, list) else v for name, v in found.items()}


class PatchModel(RequestModel):
    """Merged into the record (RFC 7396): what is absent stays, null removes what may be absent."""
