"""Users: records made, read, changed and removed by people; nobody gives a right above their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import cast

from shared.accounts.partner_repository import PartnerRepository
from shared.accounts.user import NewUser, Rights, User, UserChanges, UserQuery
from shared.accounts.user_repository import UserRepository
from shared.administration.sign_in import SHOWN
from shared.core.errors import NotFound, UnknownReference, require_version
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.db.paging import Page
from shared.events.model import NewEvent, difference, facts
from shared.events.repository import EventRepository
from shared.events.retention_repository import RetentionRepository
from shared.provisioning.tenants import TenantService
from shared.rights import policy as access
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository

BEYOND = "This would touch a person, a role or a tenant beyond your own rights."


@dataclass(frozen=True)
class _Reach:
    """One person as one actor sees them. `tenants`: all of the person's; `own`: ids of those the actor looks after."""

    user: User
    tenants: Mapping[str, Tenant]
    own: frozenset[str]


@dataclass(frozen=True)
class Erasure:
    """What was erased. `owned_tenants`: those that still name the person as their owner."""

    user_id: str
    events: int
    owned_tenants: tuple[str, ...]


class UserService:
    """What is answered shows each actor only the tenants, and the roles there, that the actor looks after."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        partners: PartnerRepository,
        retention: RetentionRepository,
        tenants: TenantRepository,
        users: UserRepository,
        tenant_service: TenantService,
    ) -> None:
        self._connection = connection
        self._events = events
        self._partners = partners
        self._retention = retention
        self._tenants = tenants
        self._users = users
        self._tenant_service = tenant_service

    def create(self, new: NewUser, changes: UserChanges, actor: Actor) -> User:
        """Make a record with these rights. Raises Forbidden, SubjectTaken, UnknownReference."""

        def work(session: Transaction) -> User:
            rights = Rights().changed(changes)
            tenants = self._tenants_of(rights.tenant_ids, actor, session)
            _require_own_tenants(changes, rights)
            access.require(access.may_change_user(actor, Rights(), rights, list(tenants.values())), BEYOND)
            self._require_partner(rights.partner_id, session)
            user = self._users.insert(replace(new, rights=rights), session)
            after = {"_id": user.id} | facts(user, SHOWN)
            self._events.append(NewEvent("user.created", actor.author, after=after), session)
            return user

        return self._connection.transaction(work)

    def get(self, user_id: str, actor: Actor) -> User:
        """Raises NotFound, also when the actor may not know of them."""
        found = self._visible(user_id, actor)
        return access.shown_user(actor, found.user, found.own)

    def page(self, actor: Actor, query: UserQuery, tenant_slug: str | None) -> Page[User]:
        """Those the actor may know of, newest first. Raises NotFound for an unknown tenant."""
        if tenant_slug is not None:
            query = replace(query, tenant_id=self._tenant_service.visible(tenant_slug, actor).id)
        scope = access.visible_users(actor)
        if scope.everything:
            return self._users.page(None, query)
        own = self._tenants.ids_in(scope.tenants) or ()
        page = self._users.page((scope.user_id, own), query)
        return replace(page, items=tuple(access.shown_user(actor, user, own) for user in page.items))

    def change(self, user_id: str, changes: UserChanges, actor: Actor, expected: Collection[int] | None) -> User:
        """Change a person, or their role in one tenant. Tenants that the actor does not look after stay as they are.

        Raises NotFound, Forbidden, StaleVersion, UnknownReference.
        """

        def work(session: Transaction) -> User:
            known = self._visible(user_id, actor, session)
            user, given = known.user, known.user.changed(_within_reach(changes, known, actor))
            named = self._tenants_of(tuple(changes.get("tenant_ids", ())), actor, session)
            tenants = _touched(user, given, {**known.tenants, **named})
            access.require(access.may_change_user(actor, user.rights, given.rights, tenants), BEYOND)
            require_version(user.version, expected)
            _require_own_tenants(changes, given.rights)
            if given == user:
                return access.shown_user(actor, user, known.own)
            if given.partner_id != user.partner_id:
                self._require_partner(given.partner_id, session)
            if actor.read_at is not None:
                given = given.taken_from(user, actor.read_at)
            saved = self._users.save(given, session)
            before, after = difference(user, saved, SHOWN)
            event = NewEvent("user.changed", actor.author, before=before, after={"_id": user.id} | after)
            self._events.append(event, session)
            return access.shown_user(actor, saved, known.own | set(named))

        return self._connection.transaction(work)

    def delete(self, user_id: str, actor: Actor, expected: Collection[int] | None) -> None:
        """Remove a record, not the account in Authentik. Raises NotFound, Forbidden, StaleVersion."""

        def work(session: Transaction) -> None:
            known = self._visible(user_id, actor, session)
            user, tenants = known.user, list(known.tenants.values())
            access.require(access.may_change_user(actor, user.rights, user.rights, tenants), BEYOND)
            require_version(user.version, expected)
            self._users.delete(user.id, session)
            before = {"_id": user.id} | facts(user, SHOWN)
            self._events.append(NewEvent("user.deleted", actor.author, before=before), session)

        self._connection.transaction(work)

    def erase(self, user_id: str, actor: Actor, expected: Collection[int] | None) -> Erasure:
        """Remove a record and what events say about the person. Raises NotFound, Forbidden, StaleVersion."""

        def work(session: Transaction) -> Erasure:
            known = self._visible(user_id, actor, session)
            user, tenants = known.user, list(known.tenants.values())
            access.require(actor.is_platform_admin, "Erasing a person takes a platform administrator.")
            access.require(access.may_change_user(actor, user.rights, user.rights, tenants), BEYOND)
            require_version(user.version, expected)
            self._users.delete(user.id, session)
            events = self._retention.erase_person(user.id, user.email, session)
            owned = self._retention.owned_tenants(user.email, session)
            after = {"_id": user.id, "erased": True}
            self._events.append(NewEvent("user.erased", actor.author, before=None, after=after), session)
            return Erasure(user.id, events, tuple(owned))

        return self._connection.transaction(work)

    def _visible(self, user_id: str, actor: Actor, session: Transaction | None = None) -> _Reach:
        user = self._users.find(user_id, session)
        tenants = self._tenants.by_ids(user.tenant_ids, session) if user else []
        if user is None or not access.may_see_user(actor, user, tenants):
            raise NotFound(f"There is no user {user_id!r}.")
        own = frozenset(one.id for one in tenants if actor.is_platform_admin or actor.looks_after(one))
        return _Reach(user, {one.id: one for one in tenants}, own)

    def _tenants_of(self, tenant_ids: tuple[str, ...], actor: Actor, session: Transaction) -> dict[str, Tenant]:
        """These tenants by id. Raises UnknownReference for the first that the actor may not know of."""
        found = {one.id: one for one in self._tenants.by_ids(tenant_ids, session)}
        for place, tenant_id in enumerate(tenant_ids):
            if tenant_id not in found or not access.may_see_tenant(actor, found[tenant_id]):
                raise UnknownReference(f"/tenantIds/{place}", "tenant")
        return found

    def _require_partner(self, partner_id: str | None, session: Transaction) -> None:
        if partner_id is not None and not self._partners.hold(partner_id, session):
            raise UnknownReference("/partnerId", "partner")


def _within_reach(changes: UserChanges, known: _Reach, actor: Actor) -> UserChanges:
    """The changes as they concern the whole record, of which the actor may see a part only."""
    if actor.is_platform_admin:
        return changes
    asked = dict(changes)
    hidden = tuple(one for one in known.user.tenant_ids if one not in known.own)
    if "tenant_ids" in changes:
        asked["tenant_ids"] = tuple(dict.fromkeys((*hidden, *changes["tenant_ids"])))
    if "role" in changes:
        tenant_ids = changes.get("tenant_ids", tuple(known.own))
        asked["roles"] = dict.fromkeys(tenant_ids, asked.pop("role")) | dict(changes.get("roles", {}))
    return cast(UserChanges, asked)


def _touched(user: User, given: User, tenants: Mapping[str, Tenant]) -> list[Tenant]:
    """The tenants that have a say: where a role changes, or all of them when anything else does, or nothing."""
    roles = {one.id for one in tenants.values() if user.role_in(one.id) is not given.role_in(one.id)}
    is_beyond = replace(given, rights=user.rights) != user or not roles
    return [one for one in tenants.values() if is_beyond or one.id in roles]


def _require_own_tenants(changes: UserChanges, rights: Rights) -> None:
    """Raises UnknownReference for a role in a tenant that the person does not belong to."""
    for tenant_id in changes.get("roles", {}):
        if tenant_id not in rights.tenant_ids:
            raise UnknownReference(f"/roles/{tenant_id}", "tenant of this person")
