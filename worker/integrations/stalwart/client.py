"""Read and change Stalwart's mail tenants and domains. Names are compared here, exactly: its search finds too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from requests.auth import AuthBase

from shared.config.settings import Settings
from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from worker.http.json_client import BearerToken, JsonClient, user_and_password
from worker.integrations.stalwart.accounts import Accounts
from worker.integrations.stalwart.closed.recipient_rule import RecipientRule
from worker.integrations.stalwart.closed.smtp_probe import PORTS, SmtpProbe
from worker.integrations.stalwart.contents import DomainContents
from worker.integrations.stalwart.models import (
    DKIM_ALGORITHMS,
    DOMAIN_PROPERTIES,
    POSTMASTER,
    TENANT_PROPERTIES,
    MailDomain,
    MailSetup,
    MailTenant,
    mail_domain,
    mail_tenant,
)
from worker.integrations.stalwart.protocol.answers import map_of
from worker.integrations.stalwart.protocol.batching import Object
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.protocol.server_facts import ServerFacts
from worker.integrations.stalwart.protocol.zone_file import zone_records

TenantMode = Literal["auto", "require", "off"]


class StalwartClient:
    """Client of Stalwart: methods in the platform's terms that return small values, without policy."""

    def __init__(self, jmap: Jmap, tenants: TenantMode, probe: SmtpProbe | None = None) -> None:
        """`probe`: asks over SMTP whether mail is really refused."""
        self._jmap = jmap
        self._tenants = tenants
        self._facts = ServerFacts(jmap)
        self.accounts = Accounts(jmap, self._facts)
        self.contents = DomainContents(jmap, self._facts)
        self.rule = RecipientRule(jmap, self._facts)
        self.probe = probe

    # -- tenants

    def version(self) -> str:
        """Ask the server for its edition: accounts such as ours cannot read its version."""
        return self._facts.read_edition()

    def links_tenants(self) -> bool:
        """Return whether objects belong to a Stalwart tenant, by STALWART_TENANTS and the server's licence."""
        if self._tenants == "auto":
            return self._facts.edition == "enterprise"
        return self._tenants == "require"

    def list_tenants(self, token: str) -> list[MailTenant]:
        """Return the tenants whose name ends with this word; the customer chose the text before it."""
        _, answer = self._jmap.read(
            ("x:Tenant/query", {"filter": {"text": token}}),
            ("x:Tenant/get", {**_found_by("x:Tenant/query"), "properties": TENANT_PROPERTIES}),
        )
        return [one for one in map(mail_tenant, answer["list"]) if one.name.split()[-1:] == [token]]

    def find_tenant(self, tenant_id: str) -> MailTenant | None:
        """Return a tenant by its id."""
        found = self._jmap.get_all("Tenant", [tenant_id], TENANT_PROPERTIES)
        return next(map(mail_tenant, found), None)

    def remove_tenant(self, tenant_id: str) -> tuple[Object, ...]:
        """Remove a tenant and return what still refers to it, if that blocks the removal."""
        return self._jmap.destroy("Tenant", tenant_id)

    def create_tenant(self, name: str, quotas: Mapping[str, int]) -> str:
        """Create a tenant. Names are not unique: read before, and again after any unclear answer."""
        return self._jmap.create("Tenant", {"name": name, "quotas": dict(quotas)})

    def update_tenant(self, tenant_id: str, name: str, quotas: Mapping[str, int | None]) -> None:
        """Set name and quotas. A quota of None is removed; those not given stay."""
        self._jmap.update("Tenant", tenant_id, {"name": name, **{f"quotas/{key}": n for key, n in quotas.items()}})

    # -- domains

    def find_domain(self, name: str) -> MailDomain | None:
        """Return the domain of exactly this name (lower-case A-labels)."""
        _, answer = self._jmap.read(
            ("x:Domain/query", {"filter": {"name": name}}),
            ("x:Domain/get", {**_found_by("x:Domain/query"), "properties": DOMAIN_PROPERTIES}),
        )
        return next((one for one in map(mail_domain, answer["list"]) if one.name == name), None)

    def list_domains(self) -> list[MailDomain]:
        """Return every domain of the server."""
        return [mail_domain(one) for one in self._jmap.find_all("Domain", {}, DOMAIN_PROPERTIES)]

    def find_domains(self, ids: Sequence[str]) -> list[MailDomain]:
        """Return those of these domains that exist."""
        return [mail_domain(one) for one in self._jmap.get_all("Domain", ids, DOMAIN_PROPERTIES)]

    def create_domain(self, name: str, description: str, tenant_id: str | None) -> str:
        """Create a domain with its postmaster in one round trip, and return its id.

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
            _assign_tenant(body, tenant_id),
            lambda domain: [("Account", _assign_tenant(_postmaster(name, domain), tenant_id))],
        )

    def update_domain(
        self,
        domain: MailDomain,
        *,
        name: str | None = None,
        description: str | None = None,
        tenant_id: str | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """Change the given fields, and let the server create the DKIM keys of both algorithms. Raises KeyTaken."""
        given = {"name": name, "description": description, "memberTenantId": tenant_id, "isEnabled": is_enabled}
        patch: Object = {key: value for key, value in given.items() if value is not None}
        if domain.algorithms is None:
            patch["dkimManagement"] = _own_keys()
        else:
            lacking = set(DKIM_ALGORITHMS) - domain.algorithms
            patch |= {f"dkimManagement/algorithms/{name}": True for name in lacking}
        self._jmap.update("Domain", domain.id, patch)

    def describe_domain(self, domain_id: str, description: str) -> None:
        """Change a domain's description only."""
        self._jmap.update("Domain", domain_id, {"description": description})

    def set_catch_all(self, domain_id: str, address: str) -> None:
        self._jmap.update("Domain", domain_id, {"catchAllAddress": address})

    def read_setup(self, domain: str, domain_id: str) -> MailSetup:
        """Read the domain's present set-up."""
        _, signatures, accounts, domains = self._jmap.read(
            ("x:DkimSignature/query", {"filter": {"domainId": domain_id}}),
            ("x:DkimSignature/get", {**_found_by("x:DkimSignature/query"), "properties": ["id", "@type", "stage"]}),
            ("x:Account/query", {"filter": {"name": POSTMASTER, "domainId": domain_id}}),
            ("x:Domain/get", {"ids": [domain_id], "properties": ["id", "name", "dnsZoneFile"]}),
        )
        active = {one.get("@type") for one in signatures["list"] if one.get("stage") == "active"}
        has_keys = active.issuperset(DKIM_ALGORITHMS)
        if not domains["list"]:
            raise TemporaryError("upstream_error", "The domain vanished.")
        records = zone_records(domain, domains["list"][0].get("dnsZoneFile")) if has_keys else ()
        return MailSetup(has_keys, bool(accounts["ids"]), records)

    def make_keys(self, domain_id: str) -> None:
        """Ask the server to make the missing keys; may be repeated."""
        body = {"@type": "DkimManagement", "domainId": domain_id, "status": {"@type": "Pending"}}
        self._jmap.create("Task", body)

    def key_failure(self, domain_id: str) -> str | None:
        """Return why the server could not make the domain's keys, if it says so and can be asked."""
        condition = {"@type": "DkimManagement", "status": "Failed"}
        try:
            failed = self._jmap.find_all("Task", condition, ["id", "domainId", "status"])
        except Fault:
            return None  # only a message needs it
        ours = [map_of(one, "status") for one in failed if one.get("domainId") == domain_id]
        return next((str(one["failureReason"]) for one in ours if one.get("failureReason")), None)

    # -- addresses

    def create_postmaster(self, domain: str, domain_id: str, tenant_id: str | None, *, has_abuse: bool = True) -> None:
        """Create a missing postmaster. Raises KeyTaken when the address exists, or its alias `abuse` does."""
        body = _postmaster(domain, domain_id)
        self._jmap.create("Account", _assign_tenant(body if has_abuse else body | {"aliases": {}}, tenant_id))


def _assign_tenant(body: Object, tenant_id: str | None) -> Object:
    """Assign the object to the tenant; otherwise the server silently creates it outside any tenant."""
    return body | ({"memberTenantId": tenant_id} if tenant_id else {})


def _postmaster(domain: str, domain_id: str) -> Object:
    """Return a group account: it has an address and receives mail, but no credentials for a sign-in."""
    return {
        "@type": "Group",
        "name": POSTMASTER,
        "domainId": domain_id,
        "description": f"Postmaster of {domain}",
        "aliases": {"0": {"name": "abuse", "domainId": domain_id}},
    }


def connect(settings: Settings) -> StalwartClient | None:
    """Build a client by the settings, or None when Stalwart is not configured."""
    if settings.stalwart_api_url is None:
        return None
    authorize: AuthBase
    if settings.stalwart_api_token is not None:
        authorize = BearerToken(settings.stalwart_api_token.get_secret_value())
    elif settings.stalwart_username is not None and settings.stalwart_password is not None:
        authorize = user_and_password(settings.stalwart_username, settings.stalwart_password.get_secret_value())
    else:
        raise PermanentError("bad_credentials")
    origin = str(settings.stalwart_api_url).rstrip("/").removesuffix("/jmap")
    seconds, ca_file = settings.call_seconds, settings.extra_ca_certs
    api = JsonClient(origin, authorize=authorize, call_seconds=seconds, ca_file=ca_file)
    anonymous = JsonClient(origin, call_seconds=seconds, ca_file=ca_file, pool_size=1)
    return StalwartClient(Jmap(api, anonymous), settings.stalwart_tenants, _probe(settings))


def _probe(settings: Settings) -> SmtpProbe | None:
    url = settings.stalwart_smtp_url
    if url is None or url.host is None:
        return None
    return SmtpProbe(url.host, url.port or PORTS[url.scheme], url.scheme == "smtps", settings.extra_ca_certs)


def _found_by(query: str) -> Object:
    """Return a reference to the ids that the first call of the same request finds."""
    return {"#ids": {"resultOf": "0", "name": query, "path": "/ids"}}


def _own_keys() -> Object:
    return {"@type": "Automatic", "algorithms": dict.fromkeys(DKIM_ALGORITHMS, True)}
