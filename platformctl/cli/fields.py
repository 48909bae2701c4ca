"""Fields that several kinds of records share. People write slugs; the records store ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from platformctl.cli.records import Field
from platformctl.cli.types import PARTNER, SLUG, Pairs
from platformctl.session import Session


def tenant_id(session: Session, slug: str) -> str:
    return session.names.tenant_id(slug)


def partner_id(session: Session, name: str) -> str:
    return session.names.partner_id(name)


def _tenant_ids(session: Session, slugs: list[str]) -> list[str]:
    return [tenant_id(session, slug) for slug in slugs]


def _roles(session: Session, roles: dict[str, str]) -> dict[str, str]:
    return {tenant_id(session, slug): role for slug, role in roles.items()}


def _field(name: str, option: str, help: str, **more: Any) -> Field:
    return Field(name, option, help, metavar=more.pop("metavar", "SLUG"), **more)


PARTNER_FIELD = _field(
    "partnerId",
    "--partner",
    "The partner, by slug or id.",
    type=PARTNER,
    empties="--no-partner",
    convert=partner_id,
    metavar="PARTNER",
)
TENANT_FIELD = _field("tenantId", "--tenant", "The tenant.", type=SLUG, updates=False, convert=tenant_id)
TENANTS_FIELD = _field(
    "tenantIds",
    "--tenant",
    "A tenant they belong to; may be repeated. An update replaces all of them.",
    type=SLUG,
    multiple=True,
    empties="--no-tenants",
    empty=[],
    convert=_tenant_ids,
)
ROLES_FIELD = _field(
    "roles",
    "--tenant-role",
    "In single tenants, as acme=admin,globex=member.",
    type=Pairs(),
    convert=_roles,
    metavar="SLUG=ROLE",
)
#: filters of lists: the API takes a tenant's slug and a partner's id
OF_TENANT = _field("tenant", "--tenant", "Only those of this tenant.", type=SLUG)
OF_PARTNER = replace(PARTNER_FIELD, name="partner", help="Only those of this partner, by slug or id.", empties=None)
