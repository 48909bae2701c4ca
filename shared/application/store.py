"""All repositories of a process over one connection. Only compositions and tests use them as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.deleted_subjects import DeletedSubjectRepository
from shared.accounts.emergency_token import EmergencyTokenRepository
from shared.accounts.partner_repository import PartnerRepository
from shared.accounts.user_repository import UserRepository
from shared.application.indexes import REQUIRED_INDEXES
from shared.application.migrations import MIGRATIONS
from shared.billing.sync_queue import BillingSyncQueue
from shared.bulk.repository import BulkOperationRepository
from shared.config.settings import Settings
from shared.db.connection import CALL_TIMEOUT, MongoConnection, open_connection
from shared.db.daily_quota import DailyQuota
from shared.db.documents import translate_errors
from shared.db.idempotency_keys import IdempotencyRepository
from shared.db.indexes import make_indexes
from shared.db.migrations import Migrator
from shared.db.rate_limiter import RateLimiter
from shared.diagnostics.repository import DiagnosticsRepository
from shared.domains.check_queue import DomainCheckQueue
from shared.domains.repository import DomainRepository
from shared.events.erasure_repository import ErasureRepository
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
from shared.tenants.pending_members_repository import PendingMembersRepository
from shared.tenants.read_repository import TenantCounts, TenantReadRepository
from shared.tenants.recorded_objects import RecordedObjects
from shared.tenants.repository import TenantRepository
from shared.tenants.tombstones import TombstoneRepository
from shared.webhooks.delivery_repository import DeliveryRepository
from shared.webhooks.repository import WebhookRepository

#: time limit for creating the indexes of one collection, in seconds
INDEX_BUILD_SECONDS = 600.0


@dataclass(frozen=True)
class Repositories:
    """The repositories of one process."""

    connection: MongoConnection
    tenants: TenantRepository
    tenant_views: TenantReadRepository
    domains: DomainRepository
    domain_checks: DomainCheckQueue
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
    billing_syncs: BillingSyncQueue
    backfill: BackfillRepository
    pending_members: PendingMembersRepository
    recorded_objects: RecordedObjects
    rate_limiter: RateLimiter
    daily_quota: DailyQuota
    tenant_counts: TenantCounts
    restore_guard: RestoreGuardRepository
    orphans: OrphanRepository
    orphan_scans: OrphanScanRepository
    problems: ProblemRepository
    outcomes: OutcomeRepository
    findings: FindingRepository
    status_repair: StatusRepair
    bulk: BulkOperationRepository
    diagnostics: DiagnosticsRepository
    erasure: ErasureRepository
    retention: RetentionRepository
    migrator: Migrator
    emergency_tokens: EmergencyTokenRepository

    def make_indexes(self) -> None:
        """Create all indexes, which may take minutes. Idempotent and safe when several processes start at once.

        Raises StoreUnavailable, IndexConflict.
        """
        for collection, indexes in REQUIRED_INDEXES.items():
            with self.connection.within(INDEX_BUILD_SECONDS):
                make_indexes(self.connection.database[collection], indexes)

    def missing_indexes(self) -> list[str]:
        """Return the required indexes that the database lacks, as `collection.name`."""
        missing: list[str] = []
        with translate_errors():
            for collection, required in REQUIRED_INDEXES.items():
                existing = self.connection.database[collection].index_information()
                names = [index.document["name"] for index in required]
                missing += [f"{collection}.{name}" for name in names if name not in existing]
        return missing

    def close(self) -> None:
        self.connection.close()


def open_repositories(settings: Settings, timeout: float = CALL_TIMEOUT) -> Repositories:
    """Open the repositories of this process; call it after forking. `timeout`: time limit of a call, in seconds."""
    connection = open_connection(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, timeout)
    return make_repositories(connection, settings)


def make_repositories(connection: MongoConnection, settings: Settings) -> Repositories:
    """Make the repositories of a connection that is open already."""
    database = connection.database
    return Repositories(
        connection=connection,
        tenants=TenantRepository(database, settings.disabled_integrations),
        tenant_views=TenantReadRepository(database),
        domains=DomainRepository(database),
        domain_checks=DomainCheckQueue(database),
        operations=OperationRepository(database, settings.dispatch_grace_seconds, settings.dry_run_keep_days),
        users=UserRepository(database, DeletedSubjectRepository(database)),
        subscriptions=SubscriptionRepository(database),
        partners=PartnerRepository(database),
        events=EventRepository(database),
        tombstones=TombstoneRepository(database),
        idempotency=IdempotencyRepository(database),
        switches=SwitchRepository(database),
        deferrals=DeferralRepository(database, settings.dispatch_grace_seconds),
        webhooks=WebhookRepository(database),
        deliveries=DeliveryRepository(database, settings.webhook_keep_days),
        billing_syncs=BillingSyncQueue(database),
        backfill=BackfillRepository(database),
        pending_members=PendingMembersRepository(database),
        recorded_objects=RecordedObjects(database),
        rate_limiter=RateLimiter(database),
        daily_quota=DailyQuota(database, "purges"),
        tenant_counts=TenantCounts(database),
        restore_guard=RestoreGuardRepository(database),
        orphans=OrphanRepository(database),
        orphan_scans=OrphanScanRepository(database),
        problems=ProblemRepository(database),
        outcomes=OutcomeRepository(database),
        findings=FindingRepository(database),
        migrator=Migrator(database, MIGRATIONS),
        emergency_tokens=EmergencyTokenRepository(database),
        status_repair=StatusRepair(database, RateLimiter(database)),
        bulk=BulkOperationRepository(database),
        diagnostics=DiagnosticsRepository(database),
        erasure=ErasureRepository(database),
        retention=RetentionRepository(database),
    )
