"""Stripe's formats: nested names in bodies and queries, errors as an object with a type and a code."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

NAME_PART = re.compile(r"\[([^\[\]]*)\]")
#: code to type; the rest are invalid_request_error
TYPES = {"idempotency_key_in_use": "idempotency_error", "card_declined": "card_error", "api_error": "api_error"}


class StripeError(Exception):
    """An error response."""

    def __init__(
        self, status: int, message: str, code: str | None = None, param: str | None = None, type_: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        shown = {"type": type_ or TYPES.get(code or "", "invalid_request_error"), "message": message}
        optional = {"code": code, "param": param}
        self.body = {"error": {**shown, **{key: value for key, value in optional.items() if value is not None}}}


def no_such(kind: str, id_: str, param: str = "id", status: int = 404) -> StripeError:
    return StripeError(status, f"No such {kind}: '{id_}'", "resource_missing", param)


def parsed(text: str) -> dict[str, Any]:
    """Parse `a[b]=1&c[0][d]=2&e[]=3` to `{"a": {"b": "1"}, "c": [{"d": "2"}], "e": ["3"]}`; all values are texts."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, parts = name.partition("[")[0], NAME_PART.findall(name)
        _put(tree, [head, *parts], value)
    found = _with_lists(tree)
    return found if isinstance(found, dict) else {}


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    *above, last = path
    for part in above:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            raise StripeError(400, "Invalid object", param=path[0])
        tree = below
    tree[last or str(len(tree))] = value


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(key.isdigit() for key in tree):
        return [_with_lists(tree[key]) for key in sorted(tree, key=int)]
    return {key: _with_lists(below) for key, below in tree.items()}


def allow(params: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse unknown parameters, as Stripe does."""
    for name in params:
        if name not in known and name != "expand":
            raise StripeError(400, f"Received unknown parameter: {name}", "parameter_unknown", name)


def integer(params: Mapping[str, Any], name: str, default: int | None = None) -> int | None:
    text = params.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except (TypeError, ValueError):
        raise StripeError(400, f"Invalid integer: {text}", "parameter_invalid_integer", name) from None


def merged(held: Mapping[str, str], given: Any) -> dict[str, str]:
    """Return the metadata after a change per key; an empty value removes a key, and an empty text all keys."""
    if given == "":
        return {}
    if not isinstance(given, Mapping):
        raise StripeError(400, "Invalid object", param="metadata")
    return {key: value for key, value in {**held, **given}.items() if value != ""}
