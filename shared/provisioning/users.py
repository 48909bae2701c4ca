"""Users: records made, read, changed and removed by people; nobody gives a right above their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from shared.accounts.user import NewUser, User, UserChanges
from shared.application.store import Store
from shared.core.errors import NotFound, UnknownReference, require_version
from shared.db.documents import Transaction
from shared.events.model import NewEvent, difference, facts
from shared.provisioning import policy as access
from shared.provisioning.exports import Page, UserQuery
from shared.provisioning.policy import Actor
from shared.provisioning.sign_in import SHOWN
from shared.provisioning.tenants import TenantCases
from shared.tenants.model import Tenant

BEYOND = "This would touch a person, a role or a tenant beyond your own rights."


class UserCases:
    def __init__(self, store: Store, tenants: TenantCases) -> None:
        self._store = store
        self._tenants = tenants

    def create(self, new: NewUser, actor: Actor) -> User:
        """Raises Forbidden, SubjectTaken, UnknownReference."""

        def work(session: Transaction) -> User:
            tenants = self._tenants_of(new.tenant_ids, actor, session)
            access.require(access.may_change_user(actor, new, tenants), BEYOND)
            self._require_partner(new.partner_id, session)
            user = self._store.users.insert(new, _reach(actor, new.tenant_ids), session)
            after = {"_id": user.id} | facts(user, SHOWN)
            self._store.events.append(NewEvent("user.created", actor.author, after=after), session)
            return user

        return self._store.transaction(work)

    def get(self, user_id: str, actor: Actor) -> User:
        """Raises NotFound, also when the actor may not know of them."""
        return self._visible(user_id, actor)[0]

    def page(self, actor: Actor, query: UserQuery, tenant_slug: str | None) -> Page[User]:
        """Those the actor may know of, newest first. Raises NotFound for an unknown tenant."""
        if tenant_slug is not None:
            query = replace(query, tenant_id=self._tenants.visible(tenant_slug, actor).id)
        scope = access.visible_users(actor)
        if scope.everything:
            return self._store.users.page(None, query)
        return self._store.users.page((scope.user_id, self._store.tenants.ids_in(scope.tenants) or ()), query)

    def change(self, user_id: str, changes: UserChanges, actor: Actor, expected: Collection[int] | None) -> User:
        """Raises NotFound, Forbidden, StaleVersion, UnknownReference."""

        def work(session: Transaction) -> User:
            user, tenants = self._changeable(user_id, actor, expected, session)
            given = replace(user, **changes)
            if given == user:
                return user
            after_tenants = self._tenants_of(given.tenant_ids, actor, session) if "tenant_ids" in changes else tenants
            access.require(access.may_give_rights(actor, given, after_tenants), BEYOND)
            self._require_partner(changes.get("partner_id"), session)
            reach = _reach(actor, given.tenant_ids) if "role" in changes else user.role_tenant_ids
            changed = self._store.users.change(user, changes, reach, session)
            before, after = difference(user, changed, SHOWN)
            event = NewEvent("user.changed", actor.author, before=before, after={"_id": user.id} | after)
            self._store.events.append(event, session)
            return changed

        return self._store.transaction(work)

    def delete(self, user_id: str, actor: Actor, expected: Collection[int] | None) -> None:
        """Forget somebody here; the identity provider knows them still. Raises NotFound, Forbidden, StaleVersion."""

        def work(session: Transaction) -> None:
            user, _ = self._changeable(user_id, actor, expected, session)
            self._store.users.delete(user.id, session)
            before = {"_id": user.id} | facts(user, SHOWN)
            self._store.events.append(NewEvent("user.deleted", actor.author, before=before), session)

        self._store.transaction(work)

    def _visible(self, user_id: str, actor: Actor, session: Transaction | None = None) -> tuple[User, list[Tenant]]:
        user = self._store.users.find(user_id, session)
        tenants = self._store.tenants.by_ids(user.tenant_ids, session) if user else []
        if user is None or not access.may_see_user(actor, user, tenants):
            raise NotFound(f"There is no user {user_id!r}.")
        return user, tenants

    def _changeable(
        self, user_id: str, actor: Actor, expected: Collection[int] | None, session: Transaction
    ) -> tuple[User, list[Tenant]]:
        user, tenants = self._visible(user_id, actor, session)
        access.require(access.may_change_user(actor, user, tenants), BEYOND)
        require_version(user.version, expected)
        return user, tenants

    def _tenants_of(self, tenant_ids: tuple[str, ...], actor: Actor, session: Transaction) -> list[Tenant]:
        """These tenants. Raises UnknownReference for the first that is not there, or not for the actor to know of."""
        found: dict[str, Any] = {one.id: one for one in self._store.tenants.by_ids(tenant_ids, session)}
        for place, tenant_id in enumerate(tenant_ids):
            if tenant_id not in found or not access.may_see_tenant(actor, found[tenant_id]):
                raise UnknownReference(f"/tenantIds/{place}", "tenant")
        return list(found.values())

    def _require_partner(self, partner_id: str | None, session: Transaction) -> None:
        if partner_id is not None and not self._store.partners.hold(partner_id, session):
            raise UnknownReference("/partnerId", "partner")


def _reach(actor: Actor, tenant_ids: tuple[str, ...]) -> tuple[str, ...] | None:
    """Where a role given by this actor holds: see User."""
    return None if actor.is_platform_admin else tenant_ids
