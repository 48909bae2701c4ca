"""What a property of a Stalwart object may hold, and how a wrong value is refused. Knows no object type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


class SetError(Exception):
    """Why one object of a /set was not stored."""

    def __init__(self, type_: str, **facts: Any) -> None:
        super().__init__(type_)
        self.body = {"type": type_, **facts}


@dataclass(frozen=True)
class Property:
    """One property. `holds` names its shape; `choices`: for a text, what it may say; for a map, its keys.

    `variants`: for a typed object, its `@type`s with the names each may have inside. `fixed`: only given at creation.
    """

    holds: str
    default: Any = None
    required: bool = False
    server_set: bool = False
    fixed: bool = False
    nullable: bool = False
    choices: tuple[str, ...] = ()
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def text(default: str | None = None, *, required: bool = False, choices: str = "") -> Property:
    return Property("text", default, required, choices=tuple(choices.split()))


def id_of(*, required: bool = False, fixed: bool = False) -> Property:
    """The id of another object."""
    return Property("text", None, required, fixed=fixed)


def flag(default: bool) -> Property:
    return Property("flag", default)


def set_of(default: str = "") -> Property:
    """A set is an object whose keys are its values."""
    return Property("set", dict.fromkeys(default.split(), True))


def list_of() -> Property:
    """A list is an object whose keys are its indexes, from "0" on."""
    return Property("list", {})


def numbers(choices: str = "") -> Property:
    """A map to counts; without choices its keys are free."""
    return Property("numbers", {}, choices=tuple(choices.split()))


def one_of(default: str | None = None, *, required: bool = False, **variants: str) -> Property:
    """An object with `@type`; each variant's names inside, blank-separated. `default` is a variant's name."""
    inside = {name: tuple(names.split()) for name, names in variants.items()}
    return Property("typed", None if default is None else {"@type": default}, required, variants=inside)


def server_set(default: Any = None) -> Property:
    return Property("text", default, server_set=True)


def invalid_patch(description: str, *properties: str) -> SetError:
    return SetError("invalidPatch", description=description, properties=list(properties))


def required(name: str) -> SetError:
    return SetError("validationFailed", validationErrors=[{"type": "Required", "property": name}])


def check_writable(name: str, rule: Property | None, *, creating: bool) -> Property:
    """The rule of a property that a client may write. Raises SetError."""
    if rule is None:
        raise invalid_patch("Unknown property", name)
    if rule.server_set:
        raise invalid_patch("Cannot modify server set property", name)
    if rule.fixed and not creating:
        raise invalid_patch("Cannot modify immutable property", name)
    return rule


def check_value(name: str, rule: Property, value: Any) -> None:
    """Raises SetError. What is null by default may be null; what is required is asked for later."""
    if value is None:
        if rule.default is not None and not rule.nullable:
            raise invalid_patch("Invalid value for object property", name)
        return
    if value == "":
        raise required(name)
    if not _is_right(rule, value):
        raise invalid_patch("Invalid value for object property", name)
    if rule.holds == "typed":
        _check_typed(name, rule, value)


def _check_typed(name: str, rule: Property, value: Object) -> None:
    inside = rule.variants.get(str(value.get("@type")))
    if inside is None:
        raise invalid_patch("Missing or invalid '@type' property in object", name)
    for key in value:
        if key != "@type" and key not in inside:
            raise invalid_patch("Unknown property", f"{name}/{key}")


def _is_right(rule: Property, value: Any) -> bool:
    if rule.holds == "text":
        return isinstance(value, str) and (not rule.choices or value in rule.choices)
    if rule.holds == "flag":
        return isinstance(value, bool)
    if not isinstance(value, dict):
        return False  # an array is no set and no list
    if rule.holds == "set":
        return all(inner is True for inner in value.values())
    if rule.holds == "list":
        return all(key.isdecimal() and isinstance(inner, dict) for key, inner in value.items())
    if rule.holds == "numbers":
        return all(_is_count(inner) and (not rule.choices or key in rule.choices) for key, inner in value.items())
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
