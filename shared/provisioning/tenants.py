"""Create, read, change and reconcile tenants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from shared.accounts.partner_repository import PartnerRepository
from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, UnknownReference, UnknownUser, require_version
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction, new_id
from shared.events.model import Author, NewEvent, changed_values, event_values
from shared.events.repository import EventRepository
from shared.integrations.catalog import BILLING
from shared.operations.model import Mode
from shared.provisioning.domain_admission import DomainAdmission
from shared.provisioning.starter import Starter
from shared.rights import policy, refusals
from shared.rights.policy import Actor, Caller
from shared.rights.token_groups import TokenGroups
from shared.subscriptions.model import NewSubscription, require_plan
from shared.subscriptions.repository import SubscriptionRepository
from shared.tenants.documents import document_of
from shared.tenants.model import (
    CLOSED,
    INTEGRATION_FIELDS,
    NewTenant,
    Status,
    Tenant,
    TenantChanges,
    TenantPatch,
    changed_fields,
)
from shared.tenants.read_repository import TenantReadRepository, with_partner_ids
from shared.tenants.repository import TenantRepository
from shared.tenants.transitions import require_not_purged, require_status
from shared.tenants.views import TenantQuery, TenantView
from shared.workflows.model import Action

#: fields of a tenant that events show
EVENT_FIELDS = ("slug", "name", "plan", "domains", "billing_info", "partner_id", "owner")


@dataclass(kw_only=True)
class TenantService:
    connection: MongoConnection
    events: EventRepository
    partners: PartnerRepository
    subscriptions: SubscriptionRepository
    tenant_views: TenantReadRepository
    tenants: TenantRepository
    admission: DomainAdmission
    starter: Starter
    groups: TokenGroups
    settings: Settings

    def __post_init__(self) -> None:
        self._is_billed = BILLING in self.settings.configured
        self._integration_fields = INTEGRATION_FIELDS | ({"billing_info"} if self._is_billed else set())

    def create(self, new: NewTenant, actor: Actor) -> TenantView:
        """Record the tenant and start `provision`.

        Raises Forbidden, InvalidInput, SlugTaken, DomainTaken, DomainOverlaps, UnknownReference, ActionNotPossible.
        """
        if new.partner_id is None:
            # a tenant that a partner's administrator creates belongs to the partner
            new = replace(new, partner_id=policy.default_partner_id(actor))
        policy.require(
            policy.may_create_tenant(actor, new.partner_id),
            "Only a platform administrator, or a partner's administrator for that partner, may create tenants.",
        )
        require_plan(new.plan, self.settings.plans)
        return self.record(new, actor.author, actor.read_at, is_staff=actor.is_platform_admin)

    def record(
        self, new: NewTenant, author: Author, at: datetime | None = None, *, is_staff: bool = True
    ) -> TenantView:
        """Record a tenant without a check of rights, and start `provision`. Raises the errors of `create`.

        `at`: the database's time, if the caller has read it already.
        """

        def work(session: Transaction) -> TenantView:
            self._require_partner(new.partner_id, session)
            operation_id = new_id()
            tenant = self.tenants.insert(new, operation_id, session, at)
            now = tenant.created_at
            unproven = self.admission.add(tenant, tenant.domains, is_staff, now, session)
            # the steps' first attempts need not read it
            new_tenant = document_of(tenant) | {"unproven": list(unproven)}
            view = self.starter.insert(operation_id, Action.PROVISION, tenant, author, session, new_tenant=new_tenant)
            self.subscriptions.insert(NewSubscription(tenant.id, tenant.plan), session, now)
            event = NewEvent("tenant.created", author, tenant.id, tenant.slug, None, event_values(tenant, EVENT_FIELDS))
            self.events.append(event, session, now)
            return view

        return self.starter.publish(self.connection.transaction(work))

    def get(self, slug: str, actor: Actor) -> TenantView:
        """Return a tenant. Raises NotFound, also when the actor may not see it."""
        return _visible(self.tenant_views.find(slug), slug, actor)

    def get_for(self, slug: str, caller: Caller) -> TenantView:
        """Return a tenant, reading the caller's user record in the same round trip. Raises UnknownUser, NotFound."""
        found = self.tenant_views.find_for(caller.subject, slug)
        if found is None:
            raise UnknownUser
        user, view = found
        return _visible(view, slug, Actor(self.groups.restrict_by_token(user, caller), caller.surfaces))

    def page(self, actor: Actor, query: TenantQuery) -> Page[TenantView]:
        """Return a page of the tenants that the actor may see."""
        return self.tenant_views.page(policy.visible_tenants(actor), self.with_partner_ids(query))

    def with_partner_ids(self, query: TenantQuery) -> TenantQuery:
        """Return the query with partners' slugs replaced by their ids."""
        return with_partner_ids(query, self.partners)

    def change(self, slug: str, patch: TenantPatch, actor: Actor, expected: Collection[int] | None) -> TenantView:
        """Apply a patch. A change of a field that integrations store starts a reconcile.

        `expected`: versions that the caller has seen, None for any. The result has an operation if one was started.
        Raises NotFound, Forbidden, InvalidInput, StaleVersion, DomainTaken, DomainOverlaps, UnknownReference,
        OperationInProgress, ActionNotPossible.
        """
        tenant = self.visible(slug, actor)
        self._require_right(tenant, patch, actor)
        require_plan(patch.get("plan"), self.settings.plans)

        def work(session: Transaction) -> TenantView | None:
            current = policy.require_visible(actor, self.tenants.find(slug, session), slug)
            require_version(current.version, expected)
            current = self.starter.settled(current, session)
            require_not_purged(current)
            changes = changed_fields(current, patch)
            return self._apply(current, changes, actor, session) if changes else None

        view = self.starter.run(work, tenant)
        return self.starter.publish(view) if view else TenantView(self.visible(slug, actor), None)

    def reconcile(self, slug: str, actor: Actor, mode: Mode, *, allow_removals: bool = False) -> TenantView:
        """Run every step again, or return the open reconcile. With `Mode.DRY_RUN`, only find out what would change.

        `allow_removals`: approval to remove more than the safety limit, for platform administrators only.
        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible.
        """
        tenant = self.visible(slug, actor)
        refusals.require_in_tenant(
            actor, tenant, policy.may_reconcile_tenant, "Reconciling takes an owner or administrator of it."
        )
        if allow_removals:
            policy.require(policy.may_allow_removals(actor), "Allowing removals takes a platform administrator.")
        return self.starter.start(Action.RECONCILE, mode, tenant, actor.author, allow_removals=allow_removals)

    def invite_owner(self, slug: str, actor: Actor) -> TenantView:
        """Start a reconcile that invites the owner again.

        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible.
        """
        tenant = self.visible(slug, actor)
        refusals.require_in_tenant(
            actor, tenant, policy.may_reconcile_tenant, "Inviting its owner takes an owner or administrator of it."
        )

        def work(session: Transaction) -> TenantView:
            seen = policy.require_visible(actor, self.tenants.find(slug, session), slug)
            current = self.starter.settled(seen, session)
            if current.owner is None:
                raise ActionNotPossible("The tenant has no owner who could be invited.")
            require_status(Action.RECONCILE, current)
            invited = replace(current.owner, invitations=current.owner.invitations + 1)
            view = self.starter.accept(Action.RECONCILE, current, {"owner": invited}, actor.author, session)
            after = {"operation": view.operation.id if view.operation else None}
            event = NewEvent("tenant.owner_invited", actor.author, current.id, current.slug, None, after)
            self.events.append(event, session)
            return view

        return self.starter.publish(self.starter.run(work, tenant))

    def visible(self, slug: str, actor: Actor) -> Tenant:
        """Return the tenant of this slug. Raises NotFound, also when the actor may not see it."""
        return policy.require_visible(actor, self.tenants.find(slug), slug)

    def ids_in_scope(self, actor: Actor, slug: str | None) -> tuple[str, ...] | None:
        """Return the ids of the tenants that the actor may see, or of this one only; None for all. Raises NotFound."""
        if slug is not None:
            return (self.visible(slug, actor).id,)
        return self.tenants.ids_in(policy.visible_tenants(actor))

    def _apply(self, tenant: Tenant, changes: TenantChanges, actor: Actor, session: Transaction) -> TenantView:
        author = actor.author
        self._require_partner(changes.get("partner_id"), session)
        if "owner" in changes and tenant.status is not Status.PENDING:
            raise ActionNotPossible("The owner can be corrected only until the tenant is active.")
        fields = self._integration_fields & set(changes)
        is_deferred = tenant.status in CLOSED and fields == {"billing_info"}
        if fields and not is_deferred:
            require_status(Action.RECONCILE, tenant)
            view = self.starter.accept(Action.RECONCILE, tenant, changes, author, session)
        else:
            view = self.starter.accept_only(tenant, changes, session, is_deferred=is_deferred)
        if "domains" in changes:
            self.admission.update(view.tenant, actor.is_platform_admin, session)
        if "plan" in changes and not self._is_billed:
            self._change_subscription(view.tenant, author, session)
        before, after = changed_values(tenant, view.tenant, EVENT_FIELDS)
        if view.operation is not None:
            after["operation"] = view.operation.id
        self.events.append(NewEvent("tenant.changed", author, tenant.id, tenant.slug, before, after), session)
        return view

    def _change_subscription(self, tenant: Tenant, author: Author, session: Transaction) -> None:
        """Copy the tenant's plan to its subscription. With billing, the billing step does that later."""
        live = self.subscriptions.find_live(tenant.id, session)
        if live is None or live.plan == tenant.plan:
            return
        self.subscriptions.change(live, {"plan": tenant.plan}, session)
        before, after = {"plan": live.plan}, {"_id": live.id, "plan": tenant.plan}
        event = NewEvent("subscription.changed", author, tenant.id, tenant.slug, before, after)
        self.events.append(event, session)

    def _require_right(self, tenant: Tenant, patch: TenantPatch, actor: Actor) -> None:
        refusals.require_in_tenant(
            actor, tenant, policy.may_change_tenant, "Changing a tenant takes an owner or administrator of it."
        )
        if {"plan", "partner_id"} & set(patch):
            policy.require(
                policy.may_change_plan(actor), "Only a platform administrator changes a tenant's plan or partner."
            )

    def _require_partner(self, partner_id: str | None, session: Transaction) -> None:
        if partner_id is not None and not self.partners.lock(partner_id, session):
            raise UnknownReference("/partnerId", "partner")


def _visible(view: TenantView | None, slug: str, actor: Actor) -> TenantView:
    if view is None or not policy.may_see_tenant(actor, view.tenant):
        raise policy.tenant_not_found(slug)
    return view
