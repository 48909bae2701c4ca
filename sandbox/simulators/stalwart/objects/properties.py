"""Check the value of one property of a Stalwart object, and build the errors. Independent of object types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


class SetError(Exception):
    """One object of a /set was not stored; `body` is its error."""

    def __init__(self, type_: str, **facts: Any) -> None:
        super().__init__(type_)
        self.body = {"type": type_, **facts}


@dataclass(frozen=True)
class Property:
    """One property. `holds`: its shape; `choices`: the allowed values of a text, or the allowed keys of a map.

    `target`: the kind that an id refers to. `variants`: the `@type`s of a typed object, each with its property names.
    `fixed`: set at creation only.
    """

    holds: str
    default: Any = None
    required: bool = False
    server_set: bool = False
    fixed: bool = False
    nullable: bool = False
    choices: tuple[str, ...] = ()
    target: str = ""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def text(default: str | None = None, *, required: bool = False, choices: str = "") -> Property:
    return Property("text", default, required, choices=tuple(choices.split()))


def id_of(target: str, *, required: bool = False, fixed: bool = False) -> Property:
    """Describe the id of another object."""
    return Property("id", None, required, fixed=fixed, target=target)


def expression(default: str = "false") -> Property:
    """Describe an expression: conditions in order (`match`), and the value when none is true (`else`)."""
    return Property("expression", {"match": {}, "else": default})


def flag(default: bool) -> Property:
    return Property("flag", default)


def set_of(default: str = "") -> Property:
    """Describe a set: an object whose keys are the values."""
    return Property("set", dict.fromkeys(default.split(), True))


def list_of() -> Property:
    """Describe a list: an object whose keys are the indexes, starting with "0"."""
    return Property("list", {})


def numbers(choices: str = "") -> Property:
    """Describe a map to counts; without choices any key is allowed."""
    return Property("numbers", {}, choices=tuple(choices.split()))


def one_of(default: str | None = None, *, required: bool = False, **variants: str) -> Property:
    """Describe an object with `@type`; `variants` lists the inner names of each, blank-separated."""
    inside = {name: tuple(names.split()) for name, names in variants.items()}
    return Property("typed", None if default is None else {"@type": default}, required, variants=inside)


def server_set(default: Any = None) -> Property:
    return Property("text", default, server_set=True)


def invalid_patch(description: str, *properties: str) -> SetError:
    return SetError("invalidPatch", description=description, properties=list(properties))


def unknown_key() -> SetError:
    """Return the error for a create with an unknown property; the server does not name the property."""
    return invalid_patch("Invalid key for object", "")


def required(name: str) -> SetError:
    return SetError("validationFailed", validationErrors=[{"type": "Required", "property": name}])


def check_writable(name: str, rule: Property | None, *, creating: bool) -> Property:
    """Return the rule of a property that a client may write. Raises SetError."""
    if rule is None:
        raise unknown_key() if creating else invalid_patch("Invalid property", name)
    if rule.server_set:
        raise invalid_patch("Cannot modify server set property", name)
    if rule.fixed and not creating:
        raise invalid_patch("Cannot modify immutable property", name)
    return rule


def check_value(name: str, rule: Property, value: Any) -> None:
    """Check one value; only a property that is null by default may be null. Raises SetError."""
    if value is None:
        if rule.default is not None and not rule.nullable:
            raise invalid_patch("Invalid value for object property", name)
        return
    if value == "":
        raise _empty(name, rule)
    if not _is_right(rule, value):
        raise invalid_patch("Invalid value for object property", name)
    if rule.holds == "typed":
        _check_typed(name, rule, value)


def _empty(name: str, rule: Property) -> SetError:
    if rule.holds == "id":
        # an empty string parses as the number 0, which no object has
        return SetError("invalidForeignKey", objectId={"object": rule.target, "id": "a"})
    return invalid_patch("Invalid value for property.", name)


def _check_typed(name: str, rule: Property, value: Object) -> None:
    inside = rule.variants.get(str(value.get("@type")))
    if inside is None:
        raise invalid_patch("Missing or invalid '@type' property in object", name)
    for key in value:
        if key != "@type" and key not in inside:
            raise invalid_patch("Invalid property", f"{name}/{key}")


def _is_right(rule: Property, value: Any) -> bool:
    if rule.holds in ("text", "id"):
        return isinstance(value, str) and (not rule.choices or value in rule.choices)
    if rule.holds == "flag":
        return isinstance(value, bool)
    if not isinstance(value, dict):
        return False  # an array is neither a set nor a list
    if rule.holds == "set":
        return all(inner is True for inner in value.values())
    if rule.holds == "list":
        return all(key.isdecimal() and isinstance(inner, dict) for key, inner in value.items())
    if rule.holds == "expression":
        return set(value) <= {"match", "else"} and isinstance(value.get("else"), str)
    if rule.holds == "numbers":
        return all(_is_count(inner) and (not rule.choices or key in rule.choices) for key, inner in value.items())
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
