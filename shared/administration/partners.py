"""Use cases of partners. Platform administrators change them; a partner's users may read their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from shared.accounts.partner import Partner
from shared.accounts.partner_repository import PartnerRepository
from shared.core.errors import NotFound, PartnerInUse, require_version
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction
from shared.events.model import NewEvent, changed_values, event_values
from shared.events.repository import EventRepository
from shared.rights import policy
from shared.rights.policy import Actor

ADMINISTRATORS_ONLY = "Only a platform administrator may manage partners."
EVENT_FIELDS = ("slug", "name")

#: returns whether any record of one kind belongs to the partner with this id
IsUsed = Callable[[str, Transaction], bool]


@dataclass(frozen=True, kw_only=True)
class PartnerService:
    connection: MongoConnection
    events: EventRepository
    partners: PartnerRepository
    used_by: Sequence[IsUsed]

    def create(self, slug: str, name: str, actor: Actor) -> Partner:
        """Create a partner. Raises Forbidden, SlugTaken."""
        policy.require(policy.may_manage_partners(actor), ADMINISTRATORS_ONLY)

        def work(session: Transaction) -> Partner:
            partner = self.partners.insert(slug, name, session)
            after = {"_id": partner.id} | event_values(partner, EVENT_FIELDS)
            self.events.append(NewEvent("partner.created", actor.author, after=after), session)
            return partner

        return self.connection.transaction(work)

    def get(self, partner_id: str, actor: Actor) -> Partner:
        """Return a partner. Raises NotFound, also when the actor may not see it."""
        return self._visible(partner_id, actor)

    def page(self, actor: Actor, limit: int, after: str | None) -> Page[Partner]:
        """Return a page of the partners that the actor may see, newest first."""
        return self.partners.page(policy.visible_partners(actor), limit, after)

    def rename(self, partner_id: str, name: str | None, actor: Actor, expected: Collection[int] | None) -> Partner:
        """Change the name; None or the current name changes nothing. Raises NotFound, Forbidden, StaleVersion."""

        def work(session: Transaction) -> Partner:
            partner = self._manageable(partner_id, actor, expected, session)
            if name in (None, partner.name):
                return partner
            renamed = self.partners.rename(partner, name or "", session)
            before, after = changed_values(partner, renamed, EVENT_FIELDS)
            event = NewEvent("partner.changed", actor.author, before=before, after={"_id": partner.id} | after)
            self.events.append(event, session)
            return renamed

        return self.connection.transaction(work)

    def delete(self, partner_id: str, actor: Actor, expected: Collection[int] | None) -> None:
        """Delete a partner. Raises NotFound, Forbidden, StaleVersion, PartnerInUse."""

        def work(session: Transaction) -> None:
            partner = self._manageable(partner_id, actor, expected, session)
            if any(is_used(partner.id, session) for is_used in self.used_by):
                raise PartnerInUse
            self.partners.delete(partner.id, session)
            before = {"_id": partner.id} | event_values(partner, EVENT_FIELDS)
            self.events.append(NewEvent("partner.deleted", actor.author, before=before), session)

        self.connection.transaction(work)

    def _visible(self, partner_id: str, actor: Actor, session: Transaction | None = None) -> Partner:
        scope = policy.visible_partners(actor)
        known = scope.everything or partner_id == scope.partner_id
        partner = self.partners.find(partner_id, session) if known else None
        if partner is None:
            raise NotFound(f"There is no partner {partner_id!r}.")
        return partner

    def _manageable(
        self, partner_id: str, actor: Actor, expected: Collection[int] | None, session: Transaction
    ) -> Partner:
        partner = self._visible(partner_id, actor, session)
        policy.require(policy.may_manage_partners(actor), ADMINISTRATORS_ONLY)
        require_version(partner.version, expected)
        return partner
