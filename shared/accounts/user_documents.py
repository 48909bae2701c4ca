"""Map documents of the `users` collection to users and back.

Documents of earlier releases have one `role` for all tenants of `roleTenantIds` (null: all, and the partner) instead of
`roles` and `partnerRole`. Both forms are read and written, so that old and new processes can run at the same time; the
old fields never grant more than the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.accounts.user import NewUser, PlatformRole, Rights, Role, User
from shared.db.documents import Document
from shared.db.mapping import mapper

#: all fields, for projections that add a computed one
FIELDS = (
    *("authentikSubjectId", "email", "name", "tenantIds", "roles", "partnerId", "partnerRole", "platformRole"),
    *("platformAdmin", "role", "roleTenantIds", "tokenIssuedAt", "rightsTakenAt"),
    *("version", "createdAt", "updatedAt"),
)


def document_of(user: User | NewUser) -> Document:
    """Return the document's fields that a change may write."""
    rights = user.rights
    return {
        "email": user.email,
        "name": user.name,
        "tenantIds": list(rights.tenant_ids),
        "roles": {tenant_id: role.value for tenant_id, role in rights.roles.items()},
        "partnerId": rights.partner_id,
        "partnerRole": rights.partner_role.value,
        "platformRole": rights.platform_role.value if rights.platform_role else None,
        "platformAdmin": rights.platform_role is PlatformRole.ADMIN,
    } | _earlier_fields(rights)


def _rights(row: Mapping[str, Any]) -> Rights:
    tenant_ids, partner_id = tuple(row["tenantIds"]), row.get("partnerId")
    if row.get("roles") is None:
        roles, partner_role = _earlier_roles(row, tenant_ids)
    else:
        roles = {tenant_id: Role(role) for tenant_id, role in row["roles"].items()}
        partner_role = Role(row.get("partnerRole") or Role.MEMBER)
    # an operator may have removed `platformAdmin` in the database by hand, which removes the role
    is_admin = row.get("platformAdmin", False)
    support = PlatformRole.SUPPORT if row.get("platformRole") == PlatformRole.SUPPORT else None
    return Rights(tenant_ids, roles, partner_id, partner_role, PlatformRole.ADMIN if is_admin else support)


def _earlier_roles(row: Mapping[str, Any], tenant_ids: tuple[str, ...]) -> tuple[dict[str, Role], Role]:
    role, reach = Role(row["role"]), row.get("roleTenantIds")
    roles = {one: role for one in tenant_ids if reach is None or one in reach}
    return roles, role if reach is None and (row.get("partnerId") or not tenant_ids) else Role.MEMBER


def _earlier_fields(rights: Rights) -> Document:
    """Return the highest role and its tenants; null only if it applies to every tenant and to the partner."""
    role = rights.role
    reach = [one for one in rights.tenant_ids if rights.role_in(one) is role]
    in_partner = rights.partner_role is role and (rights.partner_id is not None or not rights.tenant_ids)
    is_everywhere = in_partner and len(reach) == len(rights.tenant_ids)
    return {"role": role.value, "roleTenantIds": None if is_everywhere else reach}


user_of = mapper(User, subject="authentikSubjectId", rights=_rights, rights_revoked_at="rightsTakenAt")
