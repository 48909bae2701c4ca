"""Use cases of user records. Nobody may grant a right above their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from shared.accounts.partner_repository import PartnerRepository
from shared.accounts.user import NewUser, Rights, User, UserChanges, UserQuery, grant_times
from shared.accounts.user_repository import UserRepository
from shared.administration.sign_in import EVENT_FIELDS
from shared.core.errors import NotFound, UnknownReference, require_version
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction
from shared.events.erasure_repository import Erased, ErasureRepository, Traces
from shared.events.model import NewEvent, changed_values, event_values
from shared.events.repository import EventRepository
from shared.provisioning.tenants import TenantService
from shared.rights import policy, refusals
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository

BEYOND_OWN_RIGHTS = "This would change a user, a role or a tenant beyond your own rights."


@dataclass(frozen=True)
class _VisibleUser:
    """A user as one actor sees them. `tenants`: all of the user's; `managed`: ids of those that the actor manages."""

    user: User
    tenants: Mapping[str, Tenant]
    managed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class UserService:
    """Returned records show only the tenants, and the roles there, that the actor manages."""

    connection: MongoConnection
    events: EventRepository
    partners: PartnerRepository
    erasure: ErasureRepository
    tenants: TenantRepository
    users: UserRepository
    tenant_service: TenantService

    def create(self, new: NewUser, changes: UserChanges, actor: Actor) -> User:
        """Create a record with these rights. Raises Forbidden, SubjectTaken, UnknownReference, ActionNotPossible."""

        def work(session: Transaction) -> User:
            rights = Rights().changed(changes)
            tenants = self._tenants_of(rights.tenant_ids, actor, session)
            _require_membership(changes, rights)
            _require_right(actor, Rights(), rights, list(tenants.values()))
            self._require_partner(rights.partner_id, session)
            for tenant in tenants.values():
                self.tenants.lock_unpurged(tenant, session)
            granted_at = grant_times(Rights(), rights, actor.read_at) if actor.read_at is not None else {}
            user = self.users.insert(replace(new, rights=rights, granted_at=granted_at), session)
            after = {"_id": user.id} | event_values(user, EVENT_FIELDS)
            self.events.append(NewEvent("user.created", actor.author, after=after), session)
            return user

        return self.connection.transaction(work)

    def get(self, user_id: str, actor: Actor) -> User:
        """Return a user. Raises NotFound, also when the actor may not see them."""
        found = self._visible(user_id, actor)
        return policy.visible_part(actor, found.user, found.managed)

    def page(self, actor: Actor, query: UserQuery, tenant_slug: str | None) -> Page[User]:
        """Return a page of the users that the actor may see, newest first. Raises NotFound for an unknown tenant."""
        if tenant_slug is not None:
            query = replace(query, tenant_id=self.tenant_service.visible(tenant_slug, actor).id)
        scope = policy.visible_users(actor)
        if scope.everything:
            return self.users.page(None, query)
        managed = self.tenants.ids_in(scope.tenants) or ()
        page = self.users.page((scope.user_id, managed), query)
        return replace(page, items=tuple(policy.visible_part(actor, user, managed) for user in page.items))

    def change(self, user_id: str, changes: UserChanges, actor: Actor, expected: Collection[int] | None) -> User:
        """Change a user, or their role in one tenant. Memberships that the actor does not manage stay unchanged.

        Raises NotFound, Forbidden, StaleVersion, UnknownReference, ActionNotPossible.
        """

        def work(session: Transaction) -> User:
            known = self._visible(user_id, actor, session)
            user, changed = known.user, known.user.changed(_whole_record_changes(changes, known, actor))
            named = self._tenants_of(tuple(changes.get("tenant_ids", ())), actor, session)
            tenants = _affected_tenants(user, changed, {**known.tenants, **named})
            # before the rights: the answer must not tell whether the user belongs to a tenant that the actor cannot see
            shown = policy.visible_part(actor, changed, known.managed | set(named))
            _require_membership(changes, shown.rights)
            _require_right(actor, user.rights, changed.rights, tenants)
            require_version(user.version, expected)
            if changed == user:
                return policy.visible_part(actor, user, known.managed)
            if changed.partner_id != user.partner_id:
                self._require_partner(changed.partner_id, session)
            for tenant in named.values():
                if tenant.id not in user.tenant_ids:
                    self.tenants.lock_unpurged(tenant, session)
            if actor.read_at is not None:
                changed = changed.with_change_times(user, actor.read_at)
            saved = self.users.save(changed, session)
            before, after = changed_values(user, saved, EVENT_FIELDS)
            event = NewEvent("user.changed", actor.author, before=before, after={"_id": user.id} | after)
            self.events.append(event, session)
            return policy.visible_part(actor, saved, known.managed | set(named))

        return self.connection.transaction(work)

    def delete(self, user_id: str, actor: Actor, expected: Collection[int] | None) -> None:
        """Delete a record, but not the account in Authentik. Raises NotFound, Forbidden, StaleVersion."""

        def work(session: Transaction) -> None:
            user = self._changeable(user_id, actor, expected, session)
            self.users.delete(user, session)
            before = {"_id": user.id} | event_values(user, EVENT_FIELDS)
            self.events.append(NewEvent("user.deleted", actor.author, before=before), session)

        self.connection.transaction(work)

    def erase(self, user_id: str, actor: Actor, expected: Collection[int] | None) -> Erased:
        """Delete the record, if it still exists, and the user's personal data elsewhere.

        Raises NotFound, Forbidden, StaleVersion.
        """

        policy.require(actor.is_platform_admin, "Only a platform administrator may erase a user.")
        traces, version = self.erasure.find_traces(user_id), None
        if traces is None or self.users.find(user_id) is not None:
            user = self._changeable(user_id, actor, expected)
            traces, version = (traces or Traces()) | Traces({user.email}, {*user.tenant_ids}), user.version
        erased = self.erasure.erase_elsewhere(user_id, traces)

        def work(session: Transaction) -> Erased:
            # last: after an interruption, the record and the events about it still say what to erase
            if version is not None and self.users.find(user_id, session) is not None:
                self.users.delete(self._changeable(user_id, actor, (version,), session), session)
            about = self.erasure.erase_events_about(user_id, session)
            after = {"_id": user_id, "erased": True}
            self.events.append(NewEvent("user.erased", actor.author, before=None, after=after), session)
            return replace(erased, events=erased.events + about)

        return self.connection.transaction(work)

    def _changeable(
        self, user_id: str, actor: Actor, expected: Collection[int] | None, session: Transaction | None = None
    ) -> User:
        known = self._visible(user_id, actor, session)
        rights, tenants = known.user.rights, list(known.tenants.values())
        _require_right(actor, rights, rights, tenants)
        require_version(known.user.version, expected)
        return known.user

    def _visible(self, user_id: str, actor: Actor, session: Transaction | None = None) -> _VisibleUser:
        user = self.users.find(user_id, session)
        tenants = self.tenants.by_ids(user.tenant_ids, session) if user else []
        if user is None or not policy.may_see_user(actor, user, tenants):
            raise NotFound(f"There is no user {user_id!r}.")
        managed = frozenset(one.id for one in tenants if actor.is_platform_admin or actor.manages(one))
        return _VisibleUser(user, {one.id: one for one in tenants}, managed)

    def _tenants_of(self, tenant_ids: tuple[str, ...], actor: Actor, session: Transaction) -> dict[str, Tenant]:
        """Return these tenants by id. Raises UnknownReference for the first that the actor may not see."""
        found = {one.id: one for one in self.tenants.by_ids(tenant_ids, session)}
        for index, tenant_id in enumerate(tenant_ids):
            if tenant_id not in found or not policy.may_see_tenant(actor, found[tenant_id]):
                raise UnknownReference(f"/tenantIds/{index}", "tenant")
        return found

    def _require_partner(self, partner_id: str | None, session: Transaction) -> None:
        if partner_id is not None and not self.partners.lock(partner_id, session):
            raise UnknownReference("/partnerId", "partner")


def _whole_record_changes(changes: UserChanges, known: _VisibleUser, actor: Actor) -> UserChanges:
    """Extend changes of the part that the actor manages to changes of the whole record."""
    if actor.is_platform_admin:
        return changes
    extended = dict(changes)
    hidden = tuple(one for one in known.user.tenant_ids if one not in known.managed)
    if "tenant_ids" in changes:
        extended["tenant_ids"] = tuple(dict.fromkeys((*hidden, *changes["tenant_ids"])))
    if "role" in changes:
        tenant_ids = changes.get("tenant_ids", tuple(known.managed))
        extended["roles"] = dict.fromkeys(tenant_ids, extended.pop("role")) | dict(changes.get("roles", {}))
    return cast(UserChanges, extended)


def _affected_tenants(user: User, changed: User, tenants: Mapping[str, Tenant]) -> list[Tenant]:
    """Return the tenants in which only the role changes; all tenants when another field changes, or nothing does."""
    roles = {one.id for one in tenants.values() if user.role_in(one.id) is not changed.role_in(one.id)}
    is_more_than_roles = replace(changed, rights=user.rights) != user or not roles
    return [one for one in tenants.values() if is_more_than_roles or one.id in roles]


def _require_right(actor: Actor, before: Rights, after: Rights, tenants: Sequence[Tenant]) -> None:
    refusals.require_in_all(
        tenants, lambda found: policy.may_change_user(actor, before, after, found), BEYOND_OWN_RIGHTS
    )


def _require_membership(changes: UserChanges, rights: Rights) -> None:
    """Raise UnknownReference for a role in a tenant that the user does not belong to."""
    for tenant_id in changes.get("roles", {}):
        if tenant_id not in rights.tenant_ids:
            raise UnknownReference(f"/roles/{tenant_id}", "tenant of this user")
