"""Find or refresh the user record of a token, and read the caller's profile."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.accounts.user import NewUser, Rights, User
from shared.accounts.user_repository import UserRepository
from shared.core.errors import SubjectTaken, UnknownUser
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent, changed_values, event_values
from shared.events.repository import EventRepository
from shared.rights import policy
from shared.rights.policy import Actor, Caller
from shared.rights.token_groups import TokenGroups
from shared.subscriptions.model import Subscription
from shared.subscriptions.repository import SubscriptionRepository
from shared.tenants.read_repository import TenantReadRepository
from shared.tenants.views import TenantView

#: a user's fields that events show
EVENT_FIELDS = ("email", "name", "role", "roles", "tenant_ids", "partner_id", "platform_role")


@dataclass(frozen=True, kw_only=True)
class SignInService:
    connection: MongoConnection
    events: EventRepository
    subscriptions: SubscriptionRepository
    tenant_views: TenantReadRepository
    users: UserRepository
    groups: TokenGroups

    def record(self, caller: Caller, request_id: str) -> User:
        """Create or update the caller's record from their token. Only here do a token's groups grant rights.

        A token older than the last applied one changes nothing, and neither does one from before a right was revoked,
        because it would grant that right again. A token does not remove a right that was granted after it was issued.
        One without the groups claim counts as one without groups. A name or address missing from the token keeps its
        value on the record. Raises UnknownUser for a token from before the record was deleted.
        """

        def work(session: Transaction) -> User:
            return self._refresh(caller, request_id, session)

        known = self.users.find_by_subject(caller.subject)
        if known is not None and (known.is_outdated_token(caller.issued_at) or self._apply(known, caller) == known):
            return known
        try:
            return self.connection.transaction(work)
        except SubjectTaken:  # a concurrent first call has created the record
            return self.connection.transaction(work)

    def actor_for(self, caller: Caller, request_id: str) -> Actor:
        """Return the caller with the rights of their record, restricted by a newer token. Raises UnknownUser."""
        found = self.users.find_with_time(caller.subject)
        if found is None:
            raise UnknownUser
        user, now = found
        return Actor(self.groups.restrict_by_token(user, caller), caller.surfaces, request_id, now)

    def profile(self, actor: Actor) -> Profile:
        """Return the actor's record, their tenants, and these tenants' subscriptions, newest first."""
        found = self.tenant_views.of_ids(actor.user.tenant_ids)
        views = tuple(view for view in found if policy.may_see_tenant(actor, view.tenant))
        subscriptions = self.subscriptions.of_tenants(tuple(view.tenant.id for view in views))
        return Profile(actor.user, views, subscriptions)

    def _apply(self, user: User, caller: Caller) -> User:
        """Return the record after this token."""
        return replace(
            user,
            email=caller.email or user.email,
            name=caller.name or user.name,
            rights=self.groups.rights_after(user, caller),
            token_issued_at=caller.issued_at,
        )

    def _refresh(self, caller: Caller, request_id: str, session: Transaction) -> User:
        known = self.users.find_by_subject(caller.subject, session)
        if known is None:
            user = self._create(caller, session)
            after = {"_id": user.id} | event_values(user, EVENT_FIELDS)
            self.events.append(NewEvent("user.created", Author(user.id, request_id), after=after), session)
            return user
        applied = self._apply(known, caller)
        if known.is_outdated_token(caller.issued_at):
            return known
        before, after = changed_values(known, applied, EVENT_FIELDS)
        if not before and not after:
            return self.users.record_token_time(known, caller.issued_at, session)
        user = self.users.save(applied, session)
        event = NewEvent("user.changed", Author(user.id, request_id), before=before, after={"_id": user.id} | after)
        self.events.append(event, session)
        return user

    def _create(self, caller: Caller, session: Transaction) -> User:
        groups = caller.groups or ()
        rights = Rights(
            tenant_ids=self.groups.tenant_ids(groups), platform_role=self.groups.platform_role(groups, None)
        )
        new = NewUser(caller.subject, caller.email, caller.name, rights)
        user = self.users.insert(new, session, caller.issued_at)
        if caller.issued_at < (user.rights_revoked_at or 0.0):
            raise UnknownUser("Your user record was deleted after your token was issued; sign in again.")
        return user


@dataclass(frozen=True)
class Profile:
    """A user with their tenants and subscriptions, as a portal's first page shows them."""

    user: User
    tenants: tuple[TenantView, ...]
    subscriptions: tuple[Subscription, ...]
