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

from shared.accounts.emergency_token import EmergencyTokenRepository
from shared.accounts.partner_repository import PartnerRepository
from shared.accounts.user_repository import UserRepository
from shared.application.indexes import WANTED_INDEXES
from shared.application.migrations import MIGRATIONS
from shared.billing.sync_queue import BillingSyncQueue
from shared.bulk.repository import BulkOperationRepository
from shared.config.settings import Settings
from shared.db.connection import PATIENCE, in_transaction, open_client, open_database
from shared.db.daily_quota import DailyQuota
from shared.db.documents import Document, Transaction, our_errors
from shared.db.idempotency_keys import IdempotencyRepository
from shared.db.migrations import Migrator
from shared.db.rate_limiter import RateLimiter
from shared.diagnostics.repository import DiagnosticsRepository
from shared.domains.repository import DomainRepository
from shared.events.repository import EventRepository
from shared.events.retention_repository import RetentionRepository
from shared.operations.deferral_repository import DeferralRepository
from shared.operations.repository import OperationRepository
from shared.orphans.repository import OrphanRepository
from shared.orphans.scan_repository import OrphanScanRepository
from shared.restore_guard.repository import RestoreGuardRepository
from shared.status.finding_repository import FindingRepository
from shared.status.outcome_repository import OutcomeRepository
from shared.status.problem_repository import ProblemRepository
from shared.status.repair import StatusRepair
from shared.subscriptions.repository import SubscriptionRepository
from shared.switches.repository import SwitchRepository
from shared.tenants.backfill_repository import BackfillRepository
from shared.tenants.counts import TenantCounts
from shared.tenants.pending_members_repository import PendingMembersRepository
from shared.tenants.read_repository import TenantReadRepository
from shared.tenants.repository import TenantRepository
from shared.tenants.tombstones import TombstoneRepository
from shared.webhooks.delivery_repository import DeliveryRepository
from shared.webhooks.repository import WebhookRepository

T = TypeVar("T")

#: how long the indexes of one collection may take to be made, in seconds
LONGEST_BUILD = 600.0


@dataclass(frozen=True)
class Repositories:
    """The collections, and transactions over them."""

    client: MongoClient[Document]
    database: Database[Document]
    tenants: TenantRepository
    tenant_views: TenantReadRepository
    domains: DomainRepository
    operations: OperationRepository
    users: UserRepository
    subscriptions: SubscriptionRepository
    partners: PartnerRepository
    events: EventRepository
    tombstones: TombstoneRepository
    idempotency: IdempotencyRepository
    switches: SwitchRepository
    deferrals: DeferralRepository
    webhooks: WebhookRepository
    deliveries: DeliveryRepository
    billing_looks: BillingSyncQueue
    filling: BackfillRepository
    pending_members: PendingMembersRepository
    paces: RateLimiter
    allowances: DailyQuota
    turns: TenantCounts
    epochs: RestoreGuardRepository
    orphans: OrphanRepository
    orphan_looks: OrphanScanRepository
    problems: ProblemRepository
    outcomes: OutcomeRepository
    findings: FindingRepository
    status_repair: StatusRepair
    bulk: BulkOperationRepository
    diagnostics: DiagnosticsRepository
    retention: RetentionRepository
    migrator: Migrator
    emergency_tokens: EmergencyTokenRepository

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


def open_repositories(settings: Settings, patience: float = PATIENCE) -> Repositories:
    """A store for this process: call it after forking. `patience`: how long a call may take, in seconds."""
    client = open_client(settings.mongodb_uri.get_secret_value(), patience)
    database = open_database(client, settings.mongodb_database)
    return Repositories(
        client=client,
        database=database,
        tenants=TenantRepository(database, settings.absent),
        tenant_views=TenantReadRepository(database),
        domains=DomainRepository(database),
        operations=OperationRepository(database, settings.dispatch_grace_seconds),
        users=UserRepository(database),
        subscriptions=SubscriptionRepository(database),
        partners=PartnerRepository(database),
        events=EventRepository(database),
        tombstones=TombstoneRepository(database),
        idempotency=IdempotencyRepository(database),
        switches=SwitchRepository(database),
        deferrals=DeferralRepository(database, settings.dispatch_grace_seconds),
        webhooks=WebhookRepository(database),
        deliveries=DeliveryRepository(database, settings.webhook_keep_days),
        billing_looks=BillingSyncQueue(database),
        filling=BackfillRepository(database),
        pending_members=PendingMembersRepository(database),
        paces=RateLimiter(database),
        allowances=DailyQuota(database),
        turns=TenantCounts(database),
        epochs=RestoreGuardRepository(database),
        orphans=OrphanRepository(database),
        orphan_looks=OrphanScanRepository(database),
        problems=ProblemRepository(database),
        outcomes=OutcomeRepository(database),
        findings=FindingRepository(database),
        migrator=Migrator(database, MIGRATIONS),
        emergency_tokens=EmergencyTokenRepository(database),
        status_repair=StatusRepair(database, RateLimiter(database)),
        bulk=BulkOperationRepository(database),
        diagnostics=DiagnosticsRepository(database),
        retention=RetentionRepository(database),
    )
