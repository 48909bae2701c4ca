"""Check the fields of an Authentik user. Raises Invalid with the name of the field that is wrong."""

from __future__ import annotations

import re
from typing import Any

from sandbox.simulators.authentik.records import Invalid, ServerFault

REQUIRED = ["This field is required."]
SLUG = re.compile(r"[-\w]+", re.ASCII)
NOT_UNIQUE = ["This field must be unique."]
TYPES = ("internal", "external", "service_account")
#: fields stored as they are given
PLAIN = ("name", "email", "is_active", "type", "path")
USERNAME_LENGTH = 150
EMAIL_LENGTH = 254
#: the local part of an address is ASCII; names of domains in other scripts are accepted
EMAIL = re.compile(
    r"[-!#$%&'*+/=?^_`{}|~0-9A-Za-z]+(\.[-!#$%&'*+/=?^_`{}|~0-9A-Za-z]+)*@([^\s@.]{1,63}\.)+[^\s@.]{2,63}"
)


def user_fields(body: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Return the storable fields of a body, without groups; `whole` requires the mandatory ones."""
    _require(body, whole=whole)
    fields = {key: body[key] for key in PLAIN if key in body}
    if "username" in body:
        fields["username"] = _username(body["username"])
    if fields.get("email"):
        _require_email(str(fields["email"]))
    if "attributes" in body:
        fields["attributes"] = attributes(body["attributes"])
    if fields.get("type", TYPES[0]) not in TYPES:
        raise Invalid(type=[f'"{fields["type"]}" is not a valid choice.'])
    path = str(fields.get("path", "users"))
    if path != path.strip("/") or not path:
        raise Invalid(path=["No leading or trailing slashes allowed."])
    return fields


def attributes(given: Any) -> dict[str, Any]:
    """Return the attributes of a user or group. Raises Invalid, and ServerFault for what the database cannot hold."""
    if not isinstance(given, dict):
        raise Invalid(attributes=["Value must be a dictionary, and not have any duplicate keys."])
    if "\x00" in str(given) or "\\x00" in str(given):
        raise ServerFault
    return given


def _require(body: dict[str, Any], *, whole: bool) -> None:
    for name in ("username", "name"):
        if whole and name not in body:
            raise Invalid(**{name: REQUIRED})
        if name in body and body[name] is None:
            raise Invalid(**{name: ["This field may not be null."]})


def _require_email(given: str) -> None:
    if len(given) > EMAIL_LENGTH:
        raise Invalid(email=[f"Ensure this field has no more than {EMAIL_LENGTH} characters."])
    if not EMAIL.fullmatch(given):
        raise Invalid(email=["Enter a valid email address."])


def _username(given: Any) -> str:
    username = str(given).strip()
    if not username:
        raise Invalid(username=["This field may not be blank."])
    if len(username) > USERNAME_LENGTH:
        raise Invalid(username=[f"Ensure this field has no more than {USERNAME_LENGTH} characters."])
    return username
