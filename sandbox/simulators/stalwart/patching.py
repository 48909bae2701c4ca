"""Stalwart's patch engine: a new object from what was given, and a changed one from JSON pointers."""

from __future__ import annotations

from typing import Any

from sandbox.simulators.stalwart.kinds import KINDS, Table
from sandbox.simulators.stalwart.properties import (
    Object,
    Property,
    check_value,
    check_writable,
    invalid_patch,
    required,
)

NO_TYPE = "Missing or invalid '@type' property in object"


def table_of(kind: str, one: Object) -> Table:
    """The properties of this object by its `@type`. Raises SetError."""
    tables = KINDS[kind].tables
    found = tables.get(str(one["@type"]) if "@type" in one else "")
    if found is None:
        raise invalid_patch(NO_TYPE)
    return found


def built(kind: str, given: Object) -> Object:
    """A whole object with its defaults. Raises SetError."""
    table = table_of(kind, given)
    for name, value in given.items():
        if name != "@type":
            check_value(name, check_writable(name, table.get(name), creating=True), value)
    made = {name: copy(rule.default) for name, rule in table.items() if name != "dnsZoneFile"}
    made |= {name: _with_inner_defaults(table, name, copy(value)) for name, value in given.items()}
    _check_required(table, made)
    return made


def patched(kind: str, current: Object, patch: Object) -> Object:
    """The object after a patch; the current one is left as it was. Raises SetError."""
    table = table_of(kind, current)
    changed: Object = copy(current)
    for pointer, value in patch.items():
        name, *rest = pointer.split("/")
        if name == "@type":
            if value != current.get("@type"):
                raise invalid_patch("Cannot modify object type", name)
            continue
        rule = check_writable(pointer, table.get(name), creating=False)
        changed[name] = _inside(pointer, rule, changed[name], rest, value) if rest else copy(value)
        check_value(name, rule, changed[name])
        changed[name] = _with_inner_defaults(table, name, changed[name])
    _check_required(table, changed)
    return changed


def copy(value: Any) -> Any:
    return {key: copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _inside(pointer: str, rule: Property, held: Any, path: list[str], value: Any) -> Any:
    """The held object with one place inside it changed; null takes the place away."""
    target = held
    for key in path[:-1]:
        target = target.get(key) if isinstance(target, dict) else None
    if not isinstance(target, dict):
        raise invalid_patch("Unknown property", pointer)
    if value is None:
        target.pop(path[-1], None)
    else:
        target[path[-1]] = copy(value)
    return _renumbered(held) if rule.holds == "list" else held


def _renumbered(held: Object) -> Object:
    """Lists are stored from 0 on, so an index is no handle to keep."""
    ordered = sorted(held, key=lambda key: int(key) if key.isdecimal() else 0)
    return {str(place): held[key] for place, key in enumerate(ordered)}


def _with_inner_defaults(table: Table, name: str, value: Any) -> Any:
    """A typed object of the default's own type gets what the default has and it lacks."""
    default = table[name].default if name in table else None
    if isinstance(value, dict) and isinstance(default, dict) and "@type" in default:
        return {**copy(default), **value} if value["@type"] == default["@type"] else value
    return value


def _check_required(table: Table, one: Object) -> None:
    for name, rule in table.items():
        if rule.required and one.get(name) is None:
            raise required(name)
