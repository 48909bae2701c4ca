"""Mark views that are public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])
_PUBLIC = "_is_public"


def public(view: View) -> View:
    """Mark a view as public: it needs no sign-in."""
    setattr(view, _PUBLIC, True)
    return view


def is_public(view: Callable[..., Any]) -> bool:
    return bool(getattr(view, _PUBLIC, False))
