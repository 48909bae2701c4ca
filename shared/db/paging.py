"""Parts of long lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list, newest first. `next`: where the following page starts, None at the end."""

    items: tuple[T, ...]
    next: str | None
