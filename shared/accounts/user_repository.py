"""The `users` collection: one record per user, unique by the subject of their tokens.

Documents of earlier releases have one `role` for all tenants of `roleTenantIds` (null: all, and the partner) instead of
`roles` and `partnerRole`. Both forms are read and written, so that old and new processes can run at the same time; the
old fields never grant more than the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.accounts.deleted_subjects import DeletedSubjectRepository
from shared.accounts.user import NewUser, PlatformRole, Rights, Role, User, UserQuery
from shared.core.errors import SubjectTaken
from shared.db.documents import (
    Document,
    Page,
    Transaction,
    find_by_id,
    find_value,
    insert_record,
    literals,
    newest_page,
    translate_errors,
    update_record,
)
from shared.db.mapping import mapper, member

INDEXES = [
    IndexModel([("authentikSubjectId", ASCENDING)], name="subject", unique=True),
    IndexModel([("tenantIds", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("email", ASCENDING)], name="email"),
]

#: records that one transaction changes at most
MAX_USERS_PER_TRANSACTION = 2000

#: all fields, for projections that add a computed one
FIELDS = (
    *("authentikSubjectId", "email", "name", "tenantIds", "roles", "partnerId", "partnerRole", "platformRole"),
    *("platformAdmin", "role", "roleTenantIds", "tokenIssuedAt", "rightsTakenAt", "grantedAt"),
    *("version", "createdAt", "updatedAt"),
)
_WITH_TIME: Document = {**dict.fromkeys(FIELDS, 1), "now": "$$NOW"}


class UserRepository:
    def __init__(self, database: Database[Document], deleted_subjects: DeletedSubjectRepository) -> None:
        self._users = database["users"]
        self._deleted_subjects = deleted_subjects

    def insert(self, new: NewUser, session: Transaction, token_issued_at: float | None = None) -> User:
        """Insert a user. Raises SubjectTaken. `token_issued_at`: see User.

        The rights of an earlier, deleted record of the subject count as revoked at its deletion.
        """
        document = {"_id": ObjectId(), "authentikSubjectId": new.subject, "version": 1}
        revoked_at = self._deleted_subjects.revoked_at(new.subject, session)
        document |= document_of(new) | {"tokenIssuedAt": token_issued_at, "rightsTakenAt": revoked_at}
        try:
            stored = insert_record(self._users, document, session)
        except DuplicateKeyError:
            raise SubjectTaken from None
        return user_of(stored)

    def find(self, user_id: str, session: Transaction | None = None) -> User | None:
        return find_by_id(self._users, user_id, user_of, session)

    def find_by_subject(self, subject: str, session: Transaction | None = None) -> User | None:
        return find_value(self._users, {"authentikSubjectId": subject}, user_of, session)

    def find_by_email(self, email: str) -> list[User]:
        """Return all users with this e-mail address, whatever the case."""
        with translate_errors():
            return list(map(user_of, self._users.find({"email": _beginning(email, "$")})))

    def find_with_time(self, subject: str) -> tuple[User, datetime] | None:
        """Return the user and the time of the read by the database's clock."""
        with translate_errors():
            document = self._users.find_one({"authentikSubjectId": subject}, _WITH_TIME)
        return (user_of(document), document["now"]) if document else None

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._users.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def page(self, scope: tuple[str, tuple[str, ...]] | None, query: UserQuery) -> Page[User]:
        """Return a page of users, newest first.

        `scope`: (user id, tenant ids) limits it to that user and the users of these tenants; None means all users.
        """
        conditions: list[Document] = [
            {"tenantIds": query.tenant_id} if query.tenant_id else {},
            {"partnerId": query.partner_id} if query.partner_id else {},
            {"email": _beginning(query.prefix)} if query.prefix else {},
            {"_id": {"$in": [ObjectId(one) for one in query.ids]}} if query.ids is not None else {},
        ]
        if scope is not None:
            user_id, tenant_ids = scope
            conditions.append({"$or": [{"_id": ObjectId(user_id)}, {"tenantIds": {"$in": list(tenant_ids)}}]})
        return newest_page(self._users, conditions, query.limit, query.after, user_of)

    def save(self, user: User, session: Transaction) -> User:
        """Write a changed record."""
        times = {"tokenIssuedAt": user.token_issued_at, "rightsTakenAt": user.rights_revoked_at}
        fields = document_of(user) | times
        return user_of(update_record(self._users, user.id, literals(fields), session))

    def record_token_time(self, user: User, issued_at: float, session: Transaction) -> User:
        """Store the time of a token that changed nothing else; the record's version stays the same."""
        fields = {"tokenIssuedAt": {"$max": ["$tokenIssuedAt", {"$literal": issued_at}]}}
        self._users.update_one({"_id": ObjectId(user.id)}, [{"$set": fields}], session=session)
        return replace(user, token_issued_at=issued_at)

    def remove_tenant(self, tenant_id: str, session: Transaction) -> tuple[int, bool]:
        """Remove a tenant from its users, and delete the records of users without any other membership.

        Returns the number of deleted records, and whether all users of the tenant were processed: one call processes at
        most MAX_USERS_PER_TRANSACTION, because a transaction has a time limit.
        """
        documents = self._users.find({"tenantIds": tenant_id}, {"_id": 1}, session=session).limit(
            MAX_USERS_PER_TRANSACTION
        )
        ids = [document["_id"] for document in documents]
        only_member = {"tenantIds": [tenant_id], "partnerId": None, "platformAdmin": False, "platformRole": None}
        deletable = {"_id": {"$in": ids}, **only_member}
        subjects = self._users.distinct("authentikSubjectId", deletable, session=session)
        self._deleted_subjects.record(subjects, session)
        deleted = self._users.delete_many(deletable, session=session).deleted_count
        without_tenant = {
            "tenantIds": {"$setDifference": ["$tenantIds", [tenant_id]]},
            "roles": {"$unsetField": {"field": tenant_id, "input": "$roles"}},
            "updatedAt": "$$NOW",
        }
        self._users.update_many({"_id": {"$in": ids}}, [{"$set": without_tenant}], session=session)
        return deleted, len(ids) < MAX_USERS_PER_TRANSACTION

    def delete(self, user: User, session: Transaction) -> None:
        self._users.delete_one({"_id": ObjectId(user.id)}, session=session)
        self._deleted_subjects.record([user.subject], session)


def _beginning(text: str, end: str = "") -> re.Pattern[str]:
    """Return a pattern for texts that begin so, whatever the case: the address is stored as the token has it."""
    return re.compile(f"^{re.escape(text)}{end}", re.IGNORECASE)


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
        "grantedAt": dict(user.granted_at),
    } | _earlier_fields(rights)


def _rights(document: Mapping[str, Any]) -> Rights:
    tenant_ids, partner_id = tuple(document["tenantIds"]), document.get("partnerId")
    if document.get("roles") is None:
        roles, partner_role = _earlier_roles(document, tenant_ids)
    else:
        roles = {tenant_id: member(Role, role) for tenant_id, role in document["roles"].items()}
        partner_role = member(Role, document.get("partnerRole") or Role.MEMBER)
    # an operator may have removed `platformAdmin` in the database by hand, which removes the role
    is_admin = document.get("platformAdmin", False)
    support = PlatformRole.SUPPORT if document.get("platformRole") == PlatformRole.SUPPORT else None
    return Rights(tenant_ids, roles, partner_id, partner_role, PlatformRole.ADMIN if is_admin else support)


def _earlier_roles(document: Mapping[str, Any], tenant_ids: tuple[str, ...]) -> tuple[dict[str, Role], Role]:
    role, reach = member(Role, document["role"]), document.get("roleTenantIds")
    roles = {one: role for one in tenant_ids if reach is None or one in reach}
    return roles, role if reach is None and (document.get("partnerId") or not tenant_ids) else Role.MEMBER


def _earlier_fields(rights: Rights) -> Document:
    """Return the highest role and its tenants; null only if it applies to every tenant and to the partner."""
    role = rights.role
    reach = [one for one in rights.tenant_ids if rights.role_in(one) is role]
    in_partner = rights.partner_role is role and (rights.partner_id is not None or not rights.tenant_ids)
    is_everywhere = in_partner and len(reach) == len(rights.tenant_ids)
    return {"role": role.value, "roleTenantIds": None if is_everywhere else reach}


user_of = mapper(User, subject="authentikSubjectId", rights=_rights, rights_revoked_at="rightsTakenAt")
