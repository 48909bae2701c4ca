"""Callers: whose record a token stands for, and what a first page needs to know of them."""

from __future__ import annotations

from typing import cast

from shared.accounts.user import NewUser, User, UserChanges
from shared.application.store import Store
from shared.config.settings import Settings
from shared.core.errors import SubjectTaken, UnknownUser
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent, difference, facts
from shared.provisioning import policy as access
from shared.provisioning.exports import Profile
from shared.provisioning.policy import Actor, Caller

#: a user's fields, as events show them
SHOWN = ("email", "name", "role", "tenant_ids", "partner_id", "platform_admin")
#: of somebody whose first token says neither
NAMELESS: UserChanges = {"email": "", "name": ""}


class CallerCases:
    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def record(self, caller: Caller, request_id: str) -> User:
        """Make or refresh the caller's record from their token: the only place where its groups count.

        A token without the claim counts as one without groups: what it does not prove is not given. Where it says no
        name or address, what is known of them stays.
        """
        says = self._said_by(caller)
        known = self._store.users.find_by_subject(caller.subject)
        if known is not None and not _differing(known, says):
            return known

        def work(session: Transaction) -> User:
            return self._refreshed(caller, says, request_id, session)

        try:
            return self._store.transaction(work)
        except SubjectTaken:  # two first calls at once: the other one made the record
            return self._store.transaction(work)

    def actor_for(self, caller: Caller, request_id: str) -> Actor:
        """The caller with the rights their record gives them now. Raises UnknownUser."""
        found = self._store.users.read_with_time(caller.subject)
        if found is None:
            raise UnknownUser
        user, now = found
        return Actor(user, caller.surfaces, request_id, now)

    def profile(self, actor: Actor) -> Profile:
        """The actor's record, the tenants they belong to, and those tenants' subscriptions, newest first."""
        found = self._store.tenant_views.of_ids(actor.user.tenant_ids)
        views = tuple(view for view in found if access.may_see_tenant(actor, view.tenant))
        subscriptions = self._store.subscriptions.of_tenants(tuple(view.tenant.id for view in views))
        return Profile(actor.user, views, subscriptions)

    def _said_by(self, caller: Caller) -> UserChanges:
        groups = caller.groups or ()
        prefix = self._settings.oidc_tenant_group_prefix
        slugs = tuple(name.removeprefix(prefix) for name in groups if name.startswith(prefix))
        says: UserChanges = {
            "tenant_ids": tuple(sorted(self._store.tenants.ids_of_slugs(slugs))) if slugs else (),
            "platform_admin": self._settings.oidc_admin_group in groups,
        }
        if caller.email:
            says["email"] = caller.email
        if caller.name:
            says["name"] = caller.name
        return says

    def _refreshed(self, caller: Caller, says: UserChanges, request_id: str, session: Transaction) -> User:
        known = self._store.users.find_by_subject(caller.subject, session)
        if known is None:
            user = self._store.users.insert(NewUser(subject=caller.subject, **(NAMELESS | says)), None, session)
            event = NewEvent("user.created", Author(user.id, request_id), after=facts(user, SHOWN))
        else:
            changes = _differing(known, says)
            if not changes:  # somebody else was faster
                return known
            user = self._store.users.change(known, changes, known.role_tenant_ids, session)
            before, after = difference(known, user, SHOWN)
            event = NewEvent("user.changed", Author(user.id, request_id), before=before, after={"_id": user.id} | after)
        self._store.events.append(event, session)
        return user


def _differing(user: User, says: UserChanges) -> UserChanges:
    return cast(UserChanges, {name: value for name, value in says.items() if getattr(user, name) != value})
