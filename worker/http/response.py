"""A complete answer of a product, and its body read as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.integrations.outcomes import PermanentError, TemporaryError

T = TypeVar("T")

#: what says that the values are at fault, and not the address, the version or something in between
OF_VALUES = frozenset({400, 422})


@dataclass(frozen=True)
class ApiResponse:
    """A complete answer. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_empty(self) -> bool:
        return not self.content.strip()

    def refusal(self) -> PermanentError:
        """What a status comes to that the product gives no meaning of its own, such as a redirect or a 405."""
        return PermanentError("invalid" if self.status in OF_VALUES else "not_supported", f"It answered {self.status}.")

    def json(self) -> Any:
        """Return the body read as JSON. Raises TemporaryError("unexpected_answer") when it is not JSON.

        That includes nesting deeper than any product's, and lone surrogates, which no database would store.
        """
        try:
            return from_json(self.content)
        except ValueError:
            raise TemporaryError("unexpected_answer", "The answer was not JSON.") from None

    def fields(self) -> dict[str, Any]:
        """The body's fields. Raises TemporaryError("unexpected_answer") when the body is not a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise TemporaryError("unexpected_answer", "The answer has another shape.")
        return body

    def text(self, field: str) -> str:
        """A field of the body. Raises TemporaryError("unexpected_answer") when that is not text."""
        found = self.fields().get(field)
        if not isinstance(found, str):
            raise TemporaryError("unexpected_answer", "The answer has another shape.")
        return found

    def parsed(self, shape: TypeAdapter[T]) -> T:
        """What the shape wants of the body, with the rest skipped: long answers cost less than by `json`.

        Raises TemporaryError("unexpected_answer").
        """
        try:
            return shape.validate_json(self.content)
        except ValidationError:
            raise TemporaryError("unexpected_answer", "The answer has another shape.") from None
