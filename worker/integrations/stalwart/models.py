"""Values that the client of Stalwart returns, and how they are read from its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domains.dns_records import Record
from worker.integrations.stalwart.protocol.answers import map_of, text_of
from worker.integrations.stalwart.protocol.batching import Object

DKIM_ALGORITHMS = ("Dkim1Ed25519Sha256", "Dkim1RsaSha256")
POSTMASTER = "postmaster"
#: what is behind the local part of a closed mailing list or catch-all address, so that no mail reaches it
HIDDEN = ".dezky-suspended"
#: properties that a MailTenant and a MailDomain are read from
TENANT_PROPERTIES = ["id", "name", "quotas"]
DOMAIN_PROPERTIES = [
    "id",
    "name",
    "aliases",
    "isEnabled",
    "description",
    "memberTenantId",
    "dkimManagement",
    "catchAllAddress",
]


@dataclass(frozen=True)
class MailTenant:
    id: str
    name: str
    quotas: Mapping[str, int]


@dataclass(frozen=True)
class MailDomain:
    """A mail domain. `algorithms`: of the DKIM keys that the server makes for it; None when it makes none.

    `is_enabled` is kept as it should be, but has no effect in this version. `aliases`: other names of the domain.
    """

    id: str
    name: str
    is_enabled: bool
    description: str
    tenant_id: str | None
    algorithms: frozenset[str] | None = frozenset(DKIM_ALGORITHMS)
    aliases: tuple[str, ...] = ()
    catch_all: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names under which mail reaches it."""
        return (self.name, *self.aliases)

    @property
    def makes_keys(self) -> bool:
        """Return whether the server makes a key of every algorithm."""
        return self.algorithms is not None and self.algorithms >= set(DKIM_ALGORITHMS)

    @property
    def is_catch_all_hidden(self) -> bool:
        return (self.catch_all or "").rpartition("@")[0].endswith(HIDDEN)


@dataclass(frozen=True)
class MailSetup:
    """The state of a domain's set-up: DKIM keys of each algorithm, postmaster, and records to publish.

    The records contain the keys, so they are not read before the keys exist.
    """

    has_keys: bool
    has_postmaster: bool
    records: tuple[Record, ...]


def mail_tenant(one: Object) -> MailTenant:
    """Read a tenant. Raises TemporaryError("unexpected_answer")."""
    return MailTenant(one["id"], text_of(one, "name"), map_of(one, "quotas"))


def mail_domain(one: Object) -> MailDomain:
    """Read a domain. Raises TemporaryError("unexpected_answer")."""
    management = map_of(one, "dkimManagement")
    is_automatic = management.get("@type") == "Automatic"
    return MailDomain(
        id=one["id"],
        name=text_of(one, "name"),
        is_enabled=bool(one.get("isEnabled", True)),
        description=one.get("description") or "",
        tenant_id=one.get("memberTenantId"),
        algorithms=frozenset(map_of(management, "algorithms")) if is_automatic else None,
        aliases=tuple(map_of(one, "aliases")),
        catch_all=one.get("catchAllAddress"),
    )
