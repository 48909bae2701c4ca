"""Tables of Stalwart's object types: properties with their defaults, variants, filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.simulators.stalwart.objects.properties import (
    Property,
    expression,
    flag,
    id_of,
    list_of,
    numbers,
    one_of,
    server_set,
    set_of,
    text,
)

Table = dict[str, Property]
DAY = 86_400_000
SINGLETON = "singleton"


@dataclass(frozen=True)
class Kind:
    """One object type. `tables` by `@type`, or under "" when the type has none.

    `snowflake`: long ids instead of a counter. `singleton`: there is always exactly one object.
    """

    tables: Mapping[str, Table]
    filters: tuple[str, ...] = ()
    snowflake: bool = False
    singleton: bool = False
    methods: tuple[str, ...] = field(default=("get", "query", "set"))

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(name for name in self.tables if name)


def _permissions() -> Property:
    sets = "enabledPermissions disabledPermissions"
    return one_of("Inherit", Inherit="", Merge=sets, Replace=sets)


_TENANT_QUOTAS = (
    "maxAccounts maxGroups maxDomains maxMailingLists maxRoles maxOauthClients maxDkimKeys maxDnsServers "
    "maxDirectories maxAcmeProviders maxDiskQuota"
)

TENANT: Table = {
    "name": text(required=True),
    "logo": text(),
    "roles": one_of("Default", Default="", Custom="roleIds"),
    "permissions": _permissions(),
    "quotas": numbers(_TENANT_QUOTAS),
    "createdAt": server_set(),
    "usedDiskQuota": server_set(0),
}

DOMAIN: Table = {
    "name": text(required=True),
    "aliases": set_of(),
    "isEnabled": flag(True),
    "description": text(),
    "logo": text(),
    "certificateManagement": one_of("Manual", Manual="", Automatic="acmeProviderId subjectAlternativeNames"),
    "dkimManagement": Property(
        "typed",
        {
            "@type": "Automatic",
            "algorithms": {"Dkim1Ed25519Sha256": True, "Dkim1RsaSha256": True},
            "selectorTemplate": "v{version}-{algorithm}-{date-%Y%m%d}",
            "rotateAfter": 90 * DAY,
            "retireAfter": 7 * DAY,
            "deleteAfter": 30 * DAY,
        },
        variants={
            "Manual": (),
            "Automatic": ("algorithms", "selectorTemplate", "rotateAfter", "retireAfter", "deleteAfter"),
        },
    ),
    "dnsManagement": one_of("Manual", Manual="", Automatic="dnsServerId origin publishRecords"),
    "memberTenantId": id_of("Tenant"),
    "directoryId": id_of("Directory"),
    "catchAllAddress": text(),
    "subAddressing": one_of("Enabled", Enabled="", Disabled="", Custom=""),
    "allowRelaying": flag(False),
    "reportAddressUri": Property("text", "mailto:postmaster", nullable=True),
    "createdAt": server_set(),
    "dnsZoneFile": server_set(),
}

_ANY_ACCOUNT: Table = {
    "name": text(required=True),
    "domainId": id_of("Domain", required=True),
    "memberTenantId": id_of("Tenant"),
    "aliases": list_of(),
    "description": text(),
    "quotas": numbers(),
    "permissions": _permissions(),
    "locale": text("en_US"),
    "timeZone": text(),
    "emailAddress": server_set(),
    "createdAt": server_set(),
    "usedDiskQuota": server_set(0),
}
USER: Table = {
    **_ANY_ACCOUNT,
    "roles": one_of("User", User="", Admin="", Custom="roleIds"),
    "credentials": list_of(),
    "memberGroupIds": set_of(),
    "encryptionAtRest": one_of("Disabled", Disabled=""),
}
GROUP: Table = {**_ANY_ACCOUNT, "roles": one_of("Default", Default="", Custom="roleIds")}

MAILING_LIST: Table = {
    "name": text(required=True),
    "domainId": id_of("Domain", required=True),
    "description": text(),
    "aliases": list_of(),
    "memberTenantId": id_of("Tenant"),
    "recipients": set_of(),
    "emailAddress": server_set(),
}

_ANY_DKIM: Table = {
    "domainId": id_of("Domain", required=True),
    "selector": text(required=True),
    "privateKey": one_of(required=True, Text="secret", EnvironmentVariable="variableName", File="filePath"),
    "stage": text("active", choices="active pending retiring retired"),
    "nextTransitionAt": text(),
    "memberTenantId": id_of("Tenant"),
    "publicKey": server_set(),
    "createdAt": server_set(),
}
DKIM1: Table = {
    **_ANY_DKIM,
    "canonicalization": text("relaxed/relaxed", choices="relaxed/relaxed simple/simple relaxed/simple simple/relaxed"),
    "headers": set_of("From To Date Subject Message-ID"),
    "report": flag(True),
    "auid": text(),
    "expire": text(),
    "thirdParty": text(),
    "thirdPartyHash": text(),
}
DKIM2: Table = {**_ANY_DKIM, "flags": set_of()}

ROLE: Table = {
    "description": text(required=True),
    "memberTenantId": id_of("Tenant"),
    "roleIds": set_of(),
    "enabledPermissions": set_of(),
    "disabledPermissions": set_of(),
}

OAUTH_CLIENT: Table = {
    "clientId": text(required=True),
    "description": text(),
    "contacts": set_of(),
    "secret": text(),
    "expiresAt": text(),
    "redirectUris": set_of(),
    "logo": text(),
    "memberTenantId": id_of("Tenant"),
}

OIDC_DIRECTORY: Table = {
    "description": text(required=True),
    "issuerUrl": text(required=True),
    "requireAudience": text("stalwart"),
    "requireScopes": set_of("openid email"),
    "claimUsername": text("preferred_username"),
    "usernameDomain": text(),
    "claimName": text("name"),
    "claimGroups": text(),
    "memberTenantId": id_of("Tenant"),
}

_TASK_STATUS = one_of("Pending", Pending="due", Retry="due", Failed="failureReason failedAt")
DKIM_TASK: Table = {"domainId": id_of("Domain", required=True, fixed=True), "status": _TASK_STATUS}
TENANT_TASK: Table = {
    "tenantId": id_of("Tenant", required=True, fixed=True),
    "maintenanceType": text(required=True, choices="recalculateQuota"),
    "status": _TASK_STATUS,
}

RCPT_STAGE: Table = {
    "allowRelaying": expression("!is_empty(authenticated_as)"),
    "rewrite": expression(),
    "script": expression(),
}
LOOKUP_KEY: Table = {"namespace": text(required=True), "key": text(required=True), "isGlobPattern": flag(False)}
BLOCKED_IP: Table = {
    "address": text(required=True),
    "reason": text("manual"),
    "createdAt": server_set(),
    "expiresAt": text(),
}
API_KEY: Table = {
    "description": text(required=True),
    "permissions": one_of("Inherit", Inherit="", Disable="permissions", Replace="permissions"),
    "allowedIps": set_of(),
    "expiresAt": text(),
    "createdAt": server_set(),
    "secret": server_set(),
}
ACTIONS = ("ReloadSettings", "ReloadLookupStores", "ReloadBlockedIps", "InvalidateCaches")

KINDS: dict[str, Kind] = {
    "Tenant": Kind({"": TENANT}, ("text",)),
    "Domain": Kind({"": DOMAIN}, ("name", "aliases", "text", "memberTenantId")),
    "Account": Kind(
        {"User": USER, "Group": GROUP}, ("name", "domainId", "@type", "memberGroupIds", "memberTenantId", "text")
    ),
    "MailingList": Kind({"": MAILING_LIST}, ("text", "memberTenantId")),
    "DkimSignature": Kind(
        {
            "Dkim1Ed25519Sha256": DKIM1,
            "Dkim1RsaSha256": DKIM1,
            "Dkim2Ed25519Sha256": DKIM2,
            "Dkim2RsaSha256": DKIM2,
        },
        ("domainId", "memberTenantId"),
        snowflake=True,
    ),
    "Role": Kind({"": ROLE}, ("text", "memberTenantId")),
    "OAuthClient": Kind({"": OAUTH_CLIENT}, ("clientId", "text", "memberTenantId")),
    "Directory": Kind({"Oidc": OIDC_DIRECTORY}, ("memberTenantId",), snowflake=True),
    "Task": Kind({"DkimManagement": DKIM_TASK, "TenantMaintenance": TENANT_TASK}, ("@type", "status"), snowflake=True),
    "SystemSettings": Kind(
        {"": {"defaultHostname": text("localhost"), "defaultDomainId": id_of("Domain")}},
        singleton=True,
        methods=("get", "set"),
    ),
    "Authentication": Kind({"": {"directoryId": id_of("Directory")}}, singleton=True, methods=("get", "set")),
    "Http": Kind({"": {"useXForwarded": flag(False)}}, singleton=True, methods=("get", "set")),
    "MtaStageRcpt": Kind({"": RCPT_STAGE}, singleton=True, methods=("get", "set")),
    "MemoryLookupKey": Kind({"": LOOKUP_KEY}, ("namespace",), snowflake=True),
    "BlockedIp": Kind({"": BLOCKED_IP}, ("address",), snowflake=True),
    "ApiKey": Kind({"": API_KEY}),
    "Action": Kind({name: {} for name in ACTIONS}, methods=("get", "set")),
}
