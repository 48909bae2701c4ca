"""A complete response of a product, and its body read as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.integrations.outcomes import PermanentError, TemporaryError

T = TypeVar("T")

#: statuses that mean invalid values, and not a wrong URL, version or proxy
INVALID_VALUES = frozenset({400, 422})


@dataclass(frozen=True)
class ApiResponse:
    """A complete response. `headers`: case-insensitive."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_empty(self) -> bool:
        return not self.content.strip()

    @property
    def is_json(self) -> bool:
        return "json" in self.headers.get("Content-Type", "")

    def refusal(self) -> PermanentError:
        """Return the fault for a status without a special meaning in the product, such as a redirect or a 405."""
        return PermanentError(
            "invalid" if self.status in INVALID_VALUES else "not_supported", f"It answered {self.status}."
        )

    def json(self) -> Any:
        """Return the body read as JSON. Raises TemporaryError("unexpected_answer") when it is not JSON.

        That includes nesting deeper than any product's, and lone surrogates, which no database would store.
        """
        try:
            return from_json(self.content)
        except ValueError:
            raise TemporaryError("unexpected_answer", "The answer was not JSON.") from None

    def fields(self) -> dict[str, Any]:
        """Return the body's fields. Raises TemporaryError("unexpected_answer") when the body is not a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise TemporaryError("unexpected_answer", "The answer has another shape.")
        return body

    def text(self, field: str) -> str:
        """Return a text field of the body. Raises TemporaryError("unexpected_answer") when it is not text."""
        found = self.fields().get(field)
        if not isinstance(found, str):
            raise TemporaryError("unexpected_answer", "The answer has another shape.")
        return found

    def parsed(self, shape: TypeAdapter[T]) -> T:
        """Parse the body into the type and skip other fields: for long responses this is faster than `json`.

        Raises TemporaryError("unexpected_answer").
        """
        try:
            return shape.validate_json(self.content)
        except ValidationError:
            raise TemporaryError("unexpected_answer", "The answer has another shape.") from None
