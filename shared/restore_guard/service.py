"""Observe-only mode: integrations are read but not changed, until an operator ends it."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.orphans.scan_repository import OrphanScanRepository
from shared.restore_guard.repository import RestoreGuardRepository
from shared.rights import operator_policy as machine_access
from shared.rights import policy
from shared.rights.policy import Actor
from shared.switches.model import OBSERVE_ONLY, Switch
from shared.switches.repository import SwitchRepository

log = structlog.get_logger(__name__)

NEEDS_PLATFORM_ADMIN = "This takes a platform administrator."


@dataclass(frozen=True, kw_only=True)
class ObserveOnlyService:
    """Begin and end observe-only mode.

    It is a switch like a pause of all integrations, but dry runs go on, and the scheduler starts no operations either.
    """

    connection: MongoConnection
    events: EventRepository
    orphan_scans: OrphanScanRepository
    restore_guard: RestoreGuardRepository
    switches: SwitchRepository

    def state(self, actor: Actor) -> Switch:
        """Return the mode's switch. Raises Forbidden, like every method with an actor."""
        policy.require(machine_access.may_see_switches(actor), NEEDS_PLATFORM_ADMIN)
        return self.switches.find(OBSERVE_ONLY)

    def begin(self, reason: str, actor: Actor) -> Switch:
        """Begin the mode. When it is on already, only replace the reason."""
        policy.require(machine_access.may_observe_only(actor), NEEDS_PLATFORM_ADMIN)
        return self.connection.transaction(lambda session: self._begin(reason, actor.author, session))

    def begin_automatically(self, reason: str) -> bool:
        """Begin the mode without an actor. Return False and write nothing when it is on already."""

        def work(session: Transaction) -> bool:
            if self.switches.find(OBSERVE_ONLY, session).pause is not None:
                return False
            self._begin(reason, Author(None, "observe-only"), session)
            return True

        has_begun = self.connection.transaction(work)
        if has_begun:
            log.error("observe_only.begun", reason=reason)
        return has_begun

    def end(self, actor: Actor) -> Switch:
        """End the mode: deferred steps run, and drift checks of all tenants and orphan scans start.

        Also accept the database, so that restore detection does not begin the mode again.
        """
        policy.require(machine_access.may_observe_only(actor), NEEDS_PLATFORM_ADMIN)

        def work(session: Transaction) -> Switch:
            known = self.switches.find(OBSERVE_ONLY, session)
            if known.pause is None:
                return known
            ended = self.switches.resume(OBSERVE_ONLY, session) or Switch(OBSERVE_ONLY)
            self.restore_guard.accept(session)
            self.orphan_scans.request(session)
            self.events.append(NewEvent("observe_only.ended", actor.author), session)
            return ended

        return self.connection.transaction(work)

    def _begin(self, reason: str, author: Author, session: Transaction) -> Switch:
        self.events.append(NewEvent("observe_only.begun", author, after={"reason": reason}), session)
        return self.switches.pause(OBSERVE_ONLY, reason, author.user_id, session)
