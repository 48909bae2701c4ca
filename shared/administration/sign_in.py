"""Callers: the record that a token stands for, and the content of a portal's first page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.accounts.user import NewUser, Rights, User
from shared.accounts.user_repository import UserRepository
from shared.core.errors import SubjectTaken, UnknownUser
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent, difference, facts
from shared.events.repository import EventRepository
from shared.rights import policy as access
from shared.rights.policy import Actor, Caller
from shared.rights.token_groups import TokenGroups
from shared.subscriptions.model import Subscription
from shared.subscriptions.repository import SubscriptionRepository
from shared.tenants.read_repository import TenantReadRepository
from shared.tenants.views import TenantView

#: a user's fields, as events show them
SHOWN = ("email", "name", "role", "roles", "tenant_ids", "partner_id", "platform_role")


class SignInService:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        subscriptions: SubscriptionRepository,
        tenant_views: TenantReadRepository,
        users: UserRepository,
        groups: TokenGroups,
    ) -> None:
        self._connection = connection
        self._events = events
        self._subscriptions = subscriptions
        self._tenant_views = tenant_views
        self._users = users
        self._groups = groups

    def record(self, caller: Caller, request_id: str) -> User:
        """Make or refresh the caller's record from their token: the only place where its groups give rights.

        A token that is older than the last one applied changes nothing, nor does one from before somebody took a right
        away: it would give that back. One without the claim counts as one without
        groups. Where it has no name or address, the known ones stay.
        """

        def work(session: Transaction) -> User:
            return self._refreshed(caller, request_id, session)

        known = self._users.find_by_subject(caller.subject)
        if known is not None and (known.is_newer_than(caller.issued_at) or self._applied(known, caller) == known):
            return known
        try:
            return self._connection.transaction(work)
        except SubjectTaken:  # two first calls at once: the other one made the record
            return self._connection.transaction(work)

    def actor_for(self, caller: Caller, request_id: str) -> Actor:
        """The caller with the rights of their record, narrowed by a newer token. Raises UnknownUser."""
        found = self._users.read_with_time(caller.subject)
        if found is None:
            raise UnknownUser
        user, now = found
        return Actor(self._groups.narrowed(user, caller), caller.surfaces, request_id, now)

    def profile(self, actor: Actor) -> Profile:
        """The actor's record, the tenants they belong to, and those tenants' subscriptions, newest first."""
        found = self._tenant_views.of_ids(actor.user.tenant_ids)
        views = tuple(view for view in found if access.may_see_tenant(actor, view.tenant))
        subscriptions = self._subscriptions.of_tenants(tuple(view.tenant.id for view in views))
        return Profile(actor.user, views, subscriptions)

    def _applied(self, user: User, caller: Caller) -> User:
        """The record after this token. A new tenant gives the role of a member; a tenant that the claim does not list
        takes its role along. A token without the claim denies no group: the roles come back with the tenants.
        """
        groups = caller.groups or ()
        tenant_ids = self._groups.tenant_ids(groups)
        roles = user.rights.roles
        if caller.groups is not None:
            roles = {one: role for one, role in roles.items() if one in tenant_ids}
        platform_role = self._groups.platform_role(groups, user.platform_role)
        return replace(
            user,
            email=caller.email or user.email,
            name=caller.name or user.name,
            rights=replace(user.rights, tenant_ids=tenant_ids, roles=roles, platform_role=platform_role),
            token_issued_at=caller.issued_at,
        )

    def _refreshed(self, caller: Caller, request_id: str, session: Transaction) -> User:
        known = self._users.find_by_subject(caller.subject, session)
        if known is None:
            user = self._created(caller, session)
            event = NewEvent("user.created", Author(user.id, request_id), after=facts(user, SHOWN))
            self._events.append(event, session)
            return user
        applied = self._applied(known, caller)
        if known.is_newer_than(caller.issued_at):
            return known
        before, after = difference(known, applied, SHOWN)
        if not before and not after:
            return self._users.note_token(known, caller.issued_at, session)
        user = self._users.save(applied, session)
        event = NewEvent("user.changed", Author(user.id, request_id), before=before, after={"_id": user.id} | after)
        self._events.append(event, session)
        return user

    def _created(self, caller: Caller, session: Transaction) -> User:
        groups = caller.groups or ()
        rights = Rights(
            tenant_ids=self._groups.tenant_ids(groups), platform_role=self._groups.platform_role(groups, None)
        )
        new = NewUser(caller.subject, caller.email, caller.name, rights)
        return self._users.insert(new, session, caller.issued_at)


@dataclass(frozen=True)
class Profile:
    """A caller with what is theirs: what a portal's first page needs."""

    user: User
    tenants: tuple[TenantView, ...]
    subscriptions: tuple[Subscription, ...]
