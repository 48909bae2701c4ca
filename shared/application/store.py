"""All collections behind one connection, opened once per process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import pymongo
from pymongo import MongoClient
from pymongo.database import Database

from shared.accounts.emergency_token import EmergencyTokens
from shared.accounts.partner_repository import Partners
from shared.accounts.user_repository import Users
from shared.application.indexes import WANTED_INDEXES
from shared.application.migrations import MIGRATIONS
from shared.billing.sync_queue import BillingLooks
from shared.bulk.repository import BulkOperations
from shared.config.settings import Settings
from shared.db.connection import PATIENCE, in_transaction, open_client, open_database
from shared.db.daily_quota import Allowances
from shared.db.documents import Document, Transaction, our_errors
from shared.db.idempotency_keys import Idempotency
from shared.db.migrations import Migrator
from shared.db.rate_limiter import Paces
from shared.diagnostics.repository import DiagnosticsRepository
from shared.domains.repository import Domains
from shared.events.repository import Events
from shared.events.retention_repository import RetentionRepository
from shared.operations.deferral_repository import Deferrals
from shared.operations.repository import Operations
from shared.orphans.repository import Orphans
from shared.orphans.scan_repository import OrphanLooks
from shared.restore_guard.repository import Epochs
from shared.status.finding_repository import FindingRepository
from shared.status.outcome_repository import OutcomeRepository
from shared.status.problem_repository import ProblemRepository
from shared.status.repair import StatusRepair
from shared.subscriptions.repository import Subscriptions
from shared.switches.repository import Switches
from shared.tenants.backfill_repository import TenantFilling
from shared.tenants.counts import TenantTurns
from shared.tenants.pending_members_repository import PendingMembers
from shared.tenants.read_repository import TenantViews
from shared.tenants.repository import Tenants
from shared.tenants.tombstones import Tombstones
from shared.webhooks.delivery_repository import Deliveries
from shared.webhooks.repository import Webhooks

T = TypeVar("T")

#: how long the indexes of one collection may take to be made, in seconds
LONGEST_BUILD = 600.0


@dataclass(frozen=True)
class Store:
    """The collections, and transactions over them."""

    client: MongoClient[Document]
    database: Database[Document]
    tenants: Tenants
    tenant_views: TenantViews
    domains: Domains
    operations: Operations
    users: Users
    subscriptions: Subscriptions
    partners: Partners
    events: Events
    tombstones: Tombstones
    idempotency: Idempotency
    switches: Switches
    deferrals: Deferrals
    webhooks: Webhooks
    deliveries: Deliveries
    billing_looks: BillingLooks
    filling: TenantFilling
    pending_members: PendingMembers
    paces: Paces
    allowances: Allowances
    turns: TenantTurns
    epochs: Epochs
    orphans: Orphans
    orphan_looks: OrphanLooks
    problems: ProblemRepository
    outcomes: OutcomeRepository
    findings: FindingRepository
    status_repair: StatusRepair
    bulk: BulkOperations
    diagnostics: DiagnosticsRepository
    retention: RetentionRepository
    migrator: Migrator
    emergency_tokens: EmergencyTokens

    def transaction(self, work: Callable[[Transaction], T], seconds: float | None = None) -> T:
        """All of `work`'s writes or none. `work` may be run again, so it must do nothing but database calls.

        Raises StoreUnavailable when others' writes are in the way for longer than `seconds`, or a call may take.
        """
        return in_transaction(self.client, work, seconds)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """No call to the database within the block takes longer than is left of `seconds`; StoreUnavailable then.

        Not around a transaction, which has a time of its own.
        """
        with pymongo.timeout(seconds):
            yield

    def make_indexes(self) -> None:
        """Idempotent, and safe when several processes start at once. May take long where much is kept."""
        collections = (
            *(self.tenants, self.domains, self.operations, self.users, self.subscriptions, self.partners),
            *(self.events, self.idempotency, self.webhooks, self.deliveries, self.billing_looks),
            *(
                self.orphans,
                self.orphan_looks,
                self.bulk,
                self.diagnostics,
                self.emergency_tokens,
                self.pending_members,
            ),
        )
        for collection in collections:
            with self.within(LONGEST_BUILD):
                collection.make_indexes()

    def missing_indexes(self) -> list[str]:
        """Return what this build's indexes lack in the database, as `collection.name`."""
        found: list[str] = []
        with our_errors():
            for collection, wanted in WANTED_INDEXES.items():
                known = self.database[collection].index_information()
                names = [index.document["name"] for index in wanted]
                found += [f"{collection}.{name}" for name in names if name not in known]
        return found

    def now(self) -> datetime:
        """The time on the database's clock."""
        with our_errors():
            found: datetime = self.client.admin.command("hello")["localTime"]
        return found.astimezone(UTC)

    def is_up(self, seconds: float) -> bool:
        """Whether a primary answers within `seconds`."""
        try:
            with pymongo.timeout(seconds):
                self.client.admin.command("ping")
        except pymongo.errors.PyMongoError:
            return False
        return True

    def close(self) -> None:
        self.client.close()


def open_store(settings: Settings, patience: float = PATIENCE) -> Store:
    """A store for this process: call it after forking. `patience`: how long a call may take, in seconds."""
    client = open_client(settings.mongodb_uri.get_secret_value(), patience)
    database = open_database(client, settings.mongodb_database)
    return Store(
        client=client,
        database=database,
        tenants=Tenants(database, settings.absent),
        tenant_views=TenantViews(database),
        domains=Domains(database),
        operations=Operations(database, settings.dispatch_grace_seconds),
        users=Users(database),
        subscriptions=Subscriptions(database),
        partners=Partners(database),
        events=Events(database),
        tombstones=Tombstones(database),
        idempotency=Idempotency(database),
        switches=Switches(database),
        deferrals=Deferrals(database, settings.dispatch_grace_seconds),
        webhooks=Webhooks(database),
        deliveries=Deliveries(database, settings.webhook_keep_days),
        billing_looks=BillingLooks(database),
        filling=TenantFilling(database),
        pending_members=PendingMembers(database),
        paces=Paces(database),
        allowances=Allowances(database),
        turns=TenantTurns(database),
        epochs=Epochs(database),
        orphans=Orphans(database),
        orphan_looks=OrphanLooks(database),
        problems=ProblemRepository(database),
        outcomes=OutcomeRepository(database),
        findings=FindingRepository(database),
        migrator=Migrator(database, MIGRATIONS),
        emergency_tokens=EmergencyTokens(database),
        status_repair=StatusRepair(database, Paces(database)),
        bulk=BulkOperations(database),
        diagnostics=DiagnosticsRepository(database),
        retention=RetentionRepository(database),
    )
