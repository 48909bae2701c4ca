"""Resolve references inside a JMAP request: results of earlier calls (`#ids`) and created objects (`"#k"`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.simulators.stalwart.objects.properties import Object


class MethodError(Exception):
    """A method failed as a whole; the HTTP status is still 200."""

    def __init__(self, type_: str, description: str = "") -> None:
        super().__init__(type_)
        self.body = {"type": type_, "description": description}


def with_results(arguments: Object, responses: list[list[Any]]) -> Object:
    """Replace back references (`#ids`, `#destroy`) by their values. Raises MethodError."""
    resolved: Object = {}
    for key, value in arguments.items():
        if not key.startswith("#"):
            resolved[key] = value
            continue
        found = next((one for one in responses if one[2] == value["resultOf"] and one[0] == value["name"]), None)
        if found is None:
            raise MethodError("invalidResultReference")
        resolved[key[1:]] = _at(found[1], value["path"])
    return resolved


def with_ids(value: Any, created: Mapping[str, str], key: str = "") -> Any:
    """Replace creation references: texts under a key that ends in `Id`, keys under one that ends in `Ids`.

    Raises MethodError for an unresolved reference.
    """
    if isinstance(value, dict):
        names = {name: _resolve(name, created) if key.endswith("Ids") else name for name in value}
        return {names[name]: with_ids(inner, created, name) for name, inner in value.items()}
    return _resolve(value, created) if isinstance(value, str) and key.endswith("Id") else value


def plain_ids(ids: list[Any], created: Mapping[str, str]) -> list[Any]:
    """Replace the creation references among the ids of a get. Raises MethodError."""
    return [_resolve(one, created) if isinstance(one, str) else one for one in ids]


def in_order(creates: Mapping[str, Object]) -> list[str]:
    """Order the keys of a create map, each after those it refers to. Raises MethodError for a cycle."""
    waiting, done = dict(creates), list[str]()
    while waiting:
        free = [key for key, body in waiting.items() if not waiting.keys() & set(_mentions(body))]
        if not free:
            raise MethodError("invalidResultReference")
        done += free
        waiting = {key: body for key, body in waiting.items() if key not in free}
    return done


def require_known(creates: Mapping[str, Object], created: Mapping[str, str]) -> None:
    """Raise MethodError for an unresolved reference, before anything is stored."""
    with_ids(dict(creates), {**created, **dict.fromkeys(creates, "")})


def _mentions(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if key.endswith("Ids") and name.startswith("#"):
                yield name[1:]
            yield from _mentions(inner, name)
    elif isinstance(value, str) and key.endswith("Id") and value.startswith("#"):
        yield value[1:]


def _resolve(name: str, created: Mapping[str, str]) -> str:
    if not name.startswith("#"):
        return name
    if name[1:] not in created:
        raise MethodError("invalidResultReference")
    return created[name[1:]]


def _at(result: Any, path: str) -> Any:
    try:
        if path == "/list/*/id":
            return [one["id"] for one in result["list"]]
        return result[path.strip("/")]
    except (KeyError, TypeError):
        raise MethodError("invalidResultReference") from None
