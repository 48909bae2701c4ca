"""Stalwart's mail objects in our words. Names are compared here, exactly: its text search finds too much."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from requests.auth import AuthBase

from shared.config.settings import Settings
from shared.domains.dns_records import Record
from shared.integrations.outcomes import Refused, Unavailable
from worker.http.json_client import BearerToken, JsonApi, user_and_password
from worker.integrations.stalwart.contents import DomainContents
from worker.integrations.stalwart.jmap import Jmap
from worker.integrations.stalwart.jmap_batching import Object
from worker.integrations.stalwart.zone_file import zone_records

#: how long the server's edition is believed, in seconds
EDITION_SECONDS = 300.0
DKIM_ALGORITHMS = ("Dkim1Ed25519Sha256", "Dkim1RsaSha256")
POSTMASTER = "postmaster"
_DOMAIN_PROPERTIES = ["id", "name", "isEnabled", "description", "memberTenantId", "dkimManagement"]

TenantMode = Literal["auto", "require", "off"]


@dataclass(frozen=True)
class MailTenant:
    id: str
    name: str
    quotas: Mapping[str, int]


@dataclass(frozen=True)
class MailDomain:
    """A mail domain. `makes_keys`: the server makes its DKIM keys itself."""

    id: str
    name: str
    is_enabled: bool
    description: str
    tenant_id: str | None
    makes_keys: bool


@dataclass(frozen=True)
class Furnishing:
    """What a domain has: an active key of each DKIM algorithm, a postmaster, and the records its owner must publish.

    The records hold its keys, so they are not read before these are there.
    """

    has_keys: bool
    has_postmaster: bool
    records: tuple[Record, ...]


class Stalwart:
    """A phrasebook: methods in our words, small values back, no policy."""

    def __init__(self, jmap: Jmap, tenants: TenantMode) -> None:
        self._jmap = jmap
        self._tenants = tenants
        self._lock = threading.Lock()
        self._edition: tuple[float, str] | None = None
        self.contents = DomainContents(jmap)

    # -- tenants

    def links_tenants(self) -> bool:
        """Whether objects are put into a Stalwart tenant, as STALWART_TENANTS and the server's licence say."""
        if self._tenants == "auto":
            return self._known_edition() == "enterprise"
        return self._tenants == "require"

    def list_tenants(self, token: str) -> list[MailTenant]:
        """Tenants whose name ends with this word: what stands before it is a customer's own choice."""
        _, answer = self._jmap.read(
            ("x:Tenant/query", {"filter": {"text": token}}),
            ("x:Tenant/get", {**_found_by("x:Tenant/query"), "properties": ["id", "name", "quotas"]}),
        )
        found = [MailTenant(one["id"], one["name"], one.get("quotas") or {}) for one in answer["list"]]
        return [tenant for tenant in found if tenant.name.split()[-1:] == [token]]

    def remove_tenant(self, tenant_id: str) -> tuple[Object, ...]:
        """What still refers to it, when that stops the removal; nothing once it is gone."""
        return self._jmap.destroy("Tenant", tenant_id)

    def create_tenant(self, name: str, quotas: Mapping[str, int]) -> str:
        """Not unique: look before you call, and again after any unclear answer."""
        return self._jmap.create("Tenant", {"name": name, "quotas": dict(quotas)})

    def update_tenant(self, tenant_id: str, name: str, quotas: Mapping[str, int | None]) -> None:
        """A quota of None is taken away; those not given stay."""
        self._jmap.update("Tenant", tenant_id, {"name": name, **{f"quotas/{key}": n for key, n in quotas.items()}})

    # -- domains

    def find_domain(self, name: str) -> MailDomain | None:
        """The domain of exactly this name (lower-case A-labels)."""
        _, answer = self._jmap.read(
            ("x:Domain/query", {"filter": {"name": name}}),
            ("x:Domain/get", {**_found_by("x:Domain/query"), "properties": _DOMAIN_PROPERTIES}),
        )
        found = [one for one in map(_domain, answer["list"]) if one.name == name]
        return found[0] if found else None

    def list_domains(self) -> list[MailDomain]:
        """Every domain of the server, whoever's."""
        return [_domain(one) for one in self._jmap.find_all("Domain", {}, _DOMAIN_PROPERTIES)]

    def find_domain_by_id(self, domain_id: str) -> MailDomain | None:
        (answer,) = self._jmap.read(("x:Domain/get", {"ids": [domain_id], "properties": _DOMAIN_PROPERTIES}))
        return _domain(answer["list"][0]) if answer["list"] else None

    def create_domain(self, name: str, description: str, tenant_id: str | None) -> str:
        """The id of the new domain, made with its postmaster in one round trip.

        Raises KeyTaken when the name is in use, as a domain or as another domain's alias.
        """
        body: Object = {
            "name": name,
            "description": description,
            "dkimManagement": _own_keys(),
            "dnsManagement": {"@type": "Manual"},
            "certificateManagement": {"@type": "Manual"},
        }
        return self._jmap.create(
            "Domain",
            _owned(body, tenant_id),
            lambda domain: [("Account", _owned(_postmaster(name, domain), tenant_id))],
        )

    def update_domain(
        self,
        domain_id: str,
        *,
        description: str | None = None,
        tenant_id: str | None = None,
        is_enabled: bool | None = None,
        make_keys: bool = False,
    ) -> None:
        """Change what is given."""
        given = {"description": description, "memberTenantId": tenant_id, "isEnabled": is_enabled}
        patch: Object = {key: value for key, value in given.items() if value is not None}
        self._jmap.update("Domain", domain_id, patch | ({"dkimManagement": _own_keys()} if make_keys else {}))

    def furnishing(self, domain: str, domain_id: str) -> Furnishing:
        """What the domain has so far."""
        _, signatures, accounts, domains = self._jmap.read(
            ("x:DkimSignature/query", {"filter": {"domainId": domain_id}}),
            ("x:DkimSignature/get", {**_found_by("x:DkimSignature/query"), "properties": ["id", "@type", "stage"]}),
            ("x:Account/query", {"filter": {"name": POSTMASTER, "domainId": domain_id}}),
            ("x:Domain/get", {"ids": [domain_id], "properties": ["id", "name", "dnsZoneFile"]}),
        )
        active = {one.get("@type") for one in signatures["list"] if one.get("stage") == "active"}
        has_keys = active.issuperset(DKIM_ALGORITHMS)
        if not domains["list"]:
            raise Unavailable("upstream_error", "The domain vanished.")
        records = zone_records(domain, domains["list"][0]["dnsZoneFile"]) if has_keys else ()
        return Furnishing(has_keys, bool(accounts["ids"]), records)

    def make_keys(self, domain_id: str) -> None:
        """Ask for the keys that are missing; may be repeated."""
        body = {"@type": "DkimManagement", "domainId": domain_id, "status": {"@type": "Pending"}}
        self._jmap.create("Task", body)

    # -- addresses

    def create_postmaster(self, domain: str, domain_id: str, tenant_id: str | None, *, has_abuse: bool = True) -> None:
        """Make the one that a domain lacks. Raises KeyTaken when the address exists, or `abuse`, which it has too."""
        body = _postmaster(domain, domain_id)
        self._jmap.create("Account", _owned(body if has_abuse else body | {"aliases": {}}, tenant_id))

    def _known_edition(self) -> str:
        with self._lock:
            if self._edition is None or self._edition[0] < time.monotonic():
                self._edition = (time.monotonic() + EDITION_SECONDS, self._jmap.edition())
            return self._edition[1]


def _owned(body: Object, tenant_id: str | None) -> Object:
    """Without it the object would stand outside the tenant, and the server would not say so."""
    return body | ({"memberTenantId": tenant_id} if tenant_id else {})


def _postmaster(domain: str, domain_id: str) -> Object:
    """A group account: it has an address and takes mail, but no credentials, so nobody can sign in to it."""
    return {
        "@type": "Group",
        "name": POSTMASTER,
        "domainId": domain_id,
        "description": f"Postmaster of {domain}",
        "aliases": {"0": {"name": "abuse", "domainId": domain_id}},
    }


def connect(settings: Settings) -> Stalwart | None:
    """A client by the settings, or None when Stalwart is not configured."""
    if settings.stalwart_api_url is None:
        return None
    authorize: AuthBase
    if settings.stalwart_api_token is not None:
        authorize = BearerToken(settings.stalwart_api_token.get_secret_value())
    elif settings.stalwart_username is not None and settings.stalwart_password is not None:
        authorize = user_and_password(settings.stalwart_username, settings.stalwart_password.get_secret_value())
    else:
        raise Refused("bad_credentials")
    api = JsonApi(
        str(settings.stalwart_api_url).rstrip("/").removesuffix("/jmap"),
        authorize=authorize,
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )
    return Stalwart(Jmap(api), settings.stalwart_tenants)


def _found_by(query: str) -> Object:
    """The ids found by the first call of the same request."""
    return {"#ids": {"resultOf": "0", "name": query, "path": "/ids"}}


def _own_keys() -> Object:
    return {"@type": "Automatic", "algorithms": dict.fromkeys(DKIM_ALGORITHMS, True)}


def _domain(one: Object) -> MailDomain:
    return MailDomain(
        id=one["id"],
        name=one["name"],
        is_enabled=bool(one.get("isEnabled", True)),
        description=one.get("description") or "",
        tenant_id=one.get("memberTenantId"),
        makes_keys=(one.get("dkimManagement") or {}).get("@type") == "Automatic",
    )
