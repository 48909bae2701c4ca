"""Create objects from a create's values, and change them by a patch of JSON pointers."""

from __future__ import annotations

import re
from typing import Any

from sandbox.simulators.stalwart.objects.kinds import KINDS, Table
from sandbox.simulators.stalwart.objects.properties import (
    Object,
    Property,
    SetError,
    check_value,
    check_writable,
    invalid_patch,
    required,
)

NO_TYPE = "Missing or invalid '@type' property in object"
#: shown in place of a secret
MASK = "****"
#: the only property where sending the mask back keeps the secret
_KEPT = re.compile(r"credentials/\d+/secret")


def table_of(kind: str, one: Object) -> Table:
    """Return the property table of this object by its `@type`. Raises SetError."""
    tables = KINDS[kind].tables
    found = tables.get(str(one["@type"]) if "@type" in one else "")
    if found is None:
        raise invalid_patch(NO_TYPE)
    return found


def built(kind: str, given: Object) -> Object:
    """Build a whole object with its defaults. Raises SetError."""
    table = table_of(kind, given)
    for name, value in given.items():
        if name != "@type":
            check_value(name, check_writable(name, table.get(name), creating=True), value)
    _refuse_credential_ids(given.get("credentials"))
    made = {name: copy(rule.default) for name, rule in table.items() if name != "dnsZoneFile"}
    made |= {name: _with_inner_defaults(table, name, copy(value)) for name, value in given.items()}
    _check_required(kind, table, made)
    return made


def patched(kind: str, current: Object, patch: Object) -> Object:
    """Return the object after a patch, and leave the current one unchanged. Raises SetError."""
    table = table_of(kind, current)
    changed: Object = copy(current)
    for pointer, value in patch.items():
        name, *rest = pointer.split("/")
        if name == "@type":
            if value != current.get("@type"):
                raise _fixed_type(kind)
            continue
        if _KEPT.fullmatch(pointer) and value == MASK:
            continue
        rule = check_writable(pointer, table.get(name), creating=False)
        if name == "credentials" and not rest:
            _refuse_credential_ids(value)
        changed[name] = _inside(pointer, rule, changed[name], rest, value) if rest else copy(value)
        check_value(name, rule, changed[name])
        changed[name] = _with_inner_defaults(table, name, changed[name])
    _check_required(kind, table, changed)
    return changed


def copy(value: Any) -> Any:
    return {key: copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _inside(pointer: str, rule: Property, held: Any, path: list[str], value: Any) -> Any:
    """Change one value inside the object; null removes it."""
    target = held
    for key in path[:-1]:
        target = target.get(key) if isinstance(target, dict) else None
    if not isinstance(target, dict):
        raise invalid_patch("Invalid property", pointer)
    if value is None:
        target.pop(path[-1], None)
    else:
        target[path[-1]] = copy(value)
    return _renumber(held) if rule.holds == "list" else held


def _renumber(held: Object) -> Object:
    """Renumber a list from 0, because indexes are not stable."""
    ordered = sorted(held, key=lambda key: int(key) if key.isdecimal() else 0)
    return {str(place): held[key] for place, key in enumerate(ordered)}


def _with_inner_defaults(table: Table, name: str, value: Any) -> Any:
    """Complete a typed object of the default's type, or an expression, from the default."""
    default = table[name].default if name in table else None
    if isinstance(value, dict) and name in table and table[name].holds == "expression":
        return {**copy(default), **value}
    if isinstance(value, dict) and isinstance(default, dict) and "@type" in default:
        return {**copy(default), **value} if value["@type"] == default["@type"] else value
    return value


def _check_required(kind: str, table: Table, one: Object) -> None:
    missing = [name for name, rule in table.items() if rule.required and one.get(name) is None]
    if missing and kind == "DkimSignature":
        problems = ", ".join(f"Property '{'secret' if name == 'privateKey' else name}' is required" for name in missing)
        reason = f"Failed to validate DKIM signature: Invalid signature settings [{problems}]"
        raise SetError("invalidProperties", description=reason, properties=["privateKey"])
    if missing:
        raise required(missing[0])


def _fixed_type(kind: str) -> SetError:
    if kind == "Account":
        reason = "Cannot change the type of an existing account."
        return SetError("invalidProperties", description=reason, properties=["@type"])
    return invalid_patch("Cannot modify object type", "@type")


def _refuse_credential_ids(credentials: Any) -> None:
    """Refuse credentials that were sent back unchanged, because only the server sets their ids."""
    for credential in credentials.values() if isinstance(credentials, dict) else ():
        if isinstance(credential, dict) and "credentialId" in credential:
            raise invalid_patch("Cannot modify server set property", "credentials/credentialId")
