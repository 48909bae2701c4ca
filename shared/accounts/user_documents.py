"""A row of the `users` collection and the record it stands for.

Rows of earlier versions have one `role` for all tenants of `roleTenantIds` (null: all, and the partner) instead of
`roles` and `partnerRole`. Both are read and both are written, so that old and new processes can run together; the old
fields never give more than the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.accounts.user import NewUser, PlatformRole, Rights, Role, User
from shared.db.documents import Document

#: what an expression has to name to keep it
FIELDS = (
    *("authentikSubjectId", "email", "name", "tenantIds", "roles", "partnerId", "partnerRole", "platformRole"),
    *("platformAdmin", "role", "roleTenantIds", "tokenIssuedAt", "rightsTakenAt"),
    *("version", "createdAt", "updatedAt"),
)


def document_of(user: User | NewUser) -> Document:
    """The fields that a change may touch."""
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


def user_of(row: Mapping[str, Any]) -> User:
    """The user a row of the collection stands for."""
    return User(
        id=str(row["_id"]),
        subject=row["authentikSubjectId"],
        email=row["email"],
        name=row["name"],
        rights=_rights(row),
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
        version=row.get("version", 1),
        token_issued_at=row.get("tokenIssuedAt"),
        rights_taken_at=row.get("rightsTakenAt"),
    )


def _rights(row: Mapping[str, Any]) -> Rights:
    tenant_ids, partner_id = tuple(row["tenantIds"]), row.get("partnerId")
    if row.get("roles") is None:
        roles, partner_role = _earlier_roles(row, tenant_ids)
    else:
        roles = {tenant_id: Role(role) for tenant_id, role in row["roles"].items()}
        partner_role = Role(row.get("partnerRole") or Role.MEMBER)
    # whoever takes `platformAdmin` from a row by hand takes the role
    is_admin = row.get("platformAdmin", False)
    support = PlatformRole.SUPPORT if row.get("platformRole") == PlatformRole.SUPPORT else None
    return Rights(tenant_ids, roles, partner_id, partner_role, PlatformRole.ADMIN if is_admin else support)


def _earlier_roles(row: Mapping[str, Any], tenant_ids: tuple[str, ...]) -> tuple[dict[str, Role], Role]:
    role, reach = Role(row["role"]), row.get("roleTenantIds")
    roles = {one: role for one in tenant_ids if reach is None or one in reach}
    return roles, role if reach is None and (row.get("partnerId") or not tenant_ids) else Role.MEMBER


def _earlier_fields(rights: Rights) -> Document:
    """The highest role where it holds; everywhere only if it does hold in every tenant and in the partner."""
    role = rights.role
    reach = [one for one in rights.tenant_ids if rights.role_in(one) is role]
    in_partner = rights.partner_role is role and (rights.partner_id is not None or not rights.tenant_ids)
    is_everywhere = in_partner and len(reach) == len(rights.tenant_ids)
    return {"role": role.value, "roleTenantIds": None if is_everywhere else reach}
