"""A complete answer of a product, and its body read as JSON."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.domain.faults import Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A complete answer. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_empty(self) -> bool:
        return not self.content.strip()

    def json(self) -> Any:
        """Raises Unavailable("unexpected_answer") when the body is not JSON."""
        try:
            return json_text.loads(self.content)
        except ValueError:
            raise Unavailable("unexpected_answer", "The answer was not JSON.") from None

    def parsed(self, shape: TypeAdapter[T]) -> T:
        """What the shape wants of the body, with the rest skipped: long answers cost less than by `json`.

        Raises Unavailable("unexpected_answer").
        """
        try:
            return shape.validate_json(self.content)
        except ValidationError:
            raise Unavailable("unexpected_answer", "The answer has another shape.") from None
