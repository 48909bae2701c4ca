"""Stalwart's object types: their properties, defaults and rules, and what one object on its own may look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

SUFFIXES = frozenset(
    "test localhost local internal lan home corp intranet private localdomain com net org de eu uk".split()
)


class SetError(Exception):
    """Why one object of a /set was not stored."""

    def __init__(self, type_: str, **facts: Any) -> None:
        super().__init__(type_)
        self.body = {"type": type_, **facts}


@dataclass(frozen=True)
class Kind:
    """One object type. `required` and `server_set` name properties; `snowflake`: long ids instead of a counter."""

    defaults: Object
    required: tuple[str, ...]
    filters: tuple[str, ...]
    server_set: tuple[str, ...] = ("createdAt",)
    variants: tuple[str, ...] = ()
    snowflake: bool = False


_MANUAL = {"@type": "Manual"}
_AUTOMATIC_DKIM = {
    "@type": "Automatic",
    "algorithms": {"Dkim1Ed25519Sha256": True, "Dkim1RsaSha256": True},
    "selectorTemplate": "v{version}-{algorithm}-{date-%Y%m%d}",
    "rotateAfter": 7776000000,
    "retireAfter": 604800000,
    "deleteAfter": 2592000000,
}

KINDS: dict[str, Kind] = {
    "Tenant": Kind(
        {"name": None, "logo": None, "roles": {"@type": "Default"}, "permissions": {"@type": "Inherit"}, "quotas": {}},
        ("name",),
        ("text",),
        ("createdAt", "usedDiskQuota"),
    ),
    "Domain": Kind(
        {
            "name": None,
            "aliases": {},
            "isEnabled": True,
            "description": None,
            "logo": None,
            "certificateManagement": _MANUAL,
            "dkimManagement": _AUTOMATIC_DKIM,
            "dnsManagement": _MANUAL,
            "memberTenantId": None,
            "directoryId": None,
            "catchAllAddress": None,
            "subAddressing": {"@type": "Enabled"},
            "allowRelaying": False,
            "reportAddressUri": "mailto:postmaster",
        },
        ("name",),
        ("name", "aliases", "text", "memberTenantId"),
        ("createdAt", "dnsZoneFile"),
    ),
    "Account": Kind(
        {
            "name": None,
            "domainId": None,
            "memberTenantId": None,
            "aliases": {},
            "description": None,
            "quotas": {},
            "roles": {"@type": "User"},
            "permissions": {"@type": "Inherit"},
            "locale": "en_US",
            "timeZone": None,
            "credentials": {},
            "memberGroupIds": {},
        },
        ("name", "domainId"),
        ("name", "domainId", "@type", "memberGroupIds", "memberTenantId", "text"),
        ("createdAt", "emailAddress", "usedDiskQuota"),
        ("User", "Group"),
    ),
    "MailingList": Kind(
        {
            "name": None,
            "domainId": None,
            "description": None,
            "aliases": {},
            "memberTenantId": None,
            "recipients": {},
        },
        ("name", "domainId"),
        ("text", "memberTenantId"),
        ("createdAt", "emailAddress"),
    ),
    "DkimSignature": Kind(
        {
            "domainId": None,
            "selector": None,
            "privateKey": None,
            "stage": "active",
            "nextTransitionAt": None,
            "memberTenantId": None,
            "canonicalization": "relaxed/relaxed",
        },
        ("domainId", "selector", "privateKey"),
        ("domainId", "memberTenantId"),
        ("createdAt", "publicKey"),
        ("Dkim1Ed25519Sha256", "Dkim1RsaSha256", "Dkim2Ed25519Sha256", "Dkim2RsaSha256"),
        snowflake=True,
    ),
    "Task": Kind(
        {"domainId": None, "status": {"@type": "Pending"}},
        ("domainId",),
        ("@type", "status"),
        variants=("DkimManagement", "DnsManagement", "AcmeRenewal"),
        snowflake=True,
    ),
}

#: kind: (property, kind it points at)
REFERENCES = {
    "Domain": (("memberTenantId", "Tenant"),),
    "Account": (("domainId", "Domain"), ("memberTenantId", "Tenant")),
    "MailingList": (("domainId", "Domain"), ("memberTenantId", "Tenant")),
    "DkimSignature": (("domainId", "Domain"), ("memberTenantId", "Tenant")),
}


def canonical_domain(given: Any) -> str:
    """White space removed, lower case, A-labels; the suffix rule refuses `.example`. Raises SetError."""
    name = "".join(str(given).split()).lower()
    try:
        name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        name = ""
    if "." not in name or name.endswith(".") or name.rsplit(".", 1)[1] not in SUFFIXES:
        raise SetError("invalidPatch", description="Invalid domain name", properties=["name"])
    return name


def checked(kind: str, table: Kind, given: Object) -> Object:
    allowed = {*table.defaults, *(("@type",) if table.variants else ())}
    for prop, value in given.items():
        check_property(kind, table, prop, value, allowed)
    return dict(given)


def check_property(kind: str, table: Kind, prop: str, value: Any, allowed: set[str]) -> None:
    if prop in table.server_set:
        raise SetError("invalidPatch", description="Cannot modify server set property", properties=[prop])
    if prop not in allowed:
        raise SetError("invalidPatch", description="Unknown property", properties=[prop])
    default = table.defaults.get(prop)
    if isinstance(value, list) or (isinstance(default, dict) and not isinstance(value, dict)):
        raise SetError("invalidPatch", description="Invalid value for object property", properties=[prop])
    if isinstance(default, dict) and "@type" in default and "@type" not in value:
        message = "Missing or invalid '@type' property in object"
        raise SetError("invalidPatch", description=message, properties=[prop])
    if value == "":
        raise SetError("validationFailed", validationErrors=[{"type": "Required", "property": prop}])


def validate(kind: str, table: Kind, stored: Object) -> None:
    if table.variants and stored.get("@type") not in table.variants:
        raise SetError("invalidPatch", description="Missing or invalid '@type' property in object")
    for prop in table.required:
        if stored.get(prop) is None:
            raise SetError("validationFailed", validationErrors=[{"type": "Required", "property": prop}])
    if kind == "Domain":
        stored["name"] = canonical_domain(stored["name"])
    if kind in ("Account", "MailingList"):
        stored["name"] = "".join(str(stored["name"]).split()).lower()


def patched(kind: str, current: Object, patch: Object) -> Object:
    changed: Object = copy(current)
    table = KINDS[kind]
    for pointer, value in patch.items():
        prop, *rest = pointer.split("/")
        if not rest:
            check_property(kind, table, prop, value, set(table.defaults))
            changed[prop] = value
            continue
        if prop not in table.defaults or not isinstance(changed[prop], dict):
            raise SetError("invalidPatch", description="Unknown property", properties=[pointer])
        if value is None:
            changed[prop].pop(rest[0], None)
        else:
            changed[prop][rest[0]] = value
    return changed


def copy(value: Any) -> Any:
    return {key: copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value
