"""Format records as JSON and YAML, in characters that the output can show."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import yaml


def as_json(value: Any, indent: int | None = 2) -> str:
    """Return a value as JSON. Letters beyond ASCII stay as they are where stdout has them all."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text if _can_show(text) else json.dumps(value, indent=indent)


def as_yaml(value: Any) -> str:
    """Return a value as YAML. Letters beyond ASCII stay as they are where stdout has them all."""
    text = _yaml(value, allow_unicode=True)
    return text if _can_show(text) else _yaml(value, allow_unicode=False)


def _can_show(text: str) -> bool:
    """Return whether stdout's encoding has every character, and none of them controls a terminal."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return all(line.isprintable() for line in text.split("\n"))


def _yaml(value: Any, *, allow_unicode: bool) -> str:
    text = yaml.safe_dump(_copy_shared(value), sort_keys=False, allow_unicode=allow_unicode, width=10**6)
    return text.rstrip("\n")


def _copy_shared(value: Any) -> Any:
    """Copy a value deeply, so that YAML output has no anchors for repeated objects."""
    if isinstance(value, Mapping):
        return {str(name): _copy_shared(one) for name, one in value.items()}
    return [_copy_shared(one) for one in value] if isinstance(value, list) else value
