"""Webhooks over the real database: delivery loops in this process, and a receiver whose responses the test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from shared.application.services import Services, open_services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.operations.dispatcher import Dispatcher
from shared.rights.policy import Actor
from shared.webhooks.delivery_rules import webhook_cipher
from shared.webhooks.model import DeliveryQuery, DeliveryRecord, NewWebhook, Webhook
from tests.webhooks.receiver import Receiver
from worker.composition import compose_delivery_loop, open_attempts
from worker.jobs.webhook_delivery.delivery_loop import DeliveryLoop
from worker.jobs.webhook_delivery.safe_client import SafeWebhookClient

LOOPBACK = "127.0.0.0/8"
QUICK = (0.05, 0.1, 0.1)


@dataclass
class Post:
    """The services, their administrator and a receiver, with helpers for tests of deliveries."""

    services: Services
    store: Repositories
    admin: Actor
    receiver: Receiver

    def subscribe(self, *actions: str, path: str = "/take", tenant_id: str | None = None) -> tuple[Webhook, str]:
        """Create a webhook to the receiver; return it and its secret."""
        new = NewWebhook(f"{self.receiver.url}{path}", actions or ("*",))
        return self.services.webhooks.create(new, tenant_id, None, self.admin)

    def happen(self, *slugs: str) -> None:
        """Cause one event `partner.created` for each."""
        for slug in slugs:
            self.services.partners.create(slug, slug.title(), self.admin)

    def deliveries(self, webhook: Webhook, status: str | None = None) -> list[DeliveryRecord]:
        return list(self.services.webhooks.deliveries(webhook.id, self.admin, DeliveryQuery(status=status)).items)

    def now(self, webhook: Webhook) -> Webhook:
        return self.services.webhooks.get(webhook.id, self.admin)

    def ended(self, webhook: Webhook, count: int, status: str = "delivered") -> Callable[[], bool]:
        return lambda: len(self.deliveries(webhook, status)) == count


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(webhook_allowed_networks=LOOPBACK, webhook_call_seconds=2)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with made.running():
        yield made


@pytest.fixture
def post(store: Repositories, dispatcher: Dispatcher, settings: Settings, receiver: Receiver, admin: Actor) -> Post:
    return Post(open_services(store, dispatcher, settings), store, admin, receiver)


Run = Callable[..., AbstractContextManager[DeliveryLoop]]


@pytest.fixture
def delivery_loop(settings: Settings, store: Repositories) -> Run:
    """Run a delivery loop with its own connections and short waits: `with delivery_loop(): ...`."""

    @contextmanager
    def run(
        *,
        waits: Sequence[float] = QUICK,
        concurrency: int = 8,
        lease: float = 10.0,
        call: float = 2.0,
        disable: float = 3600,
        settings: Settings = settings,
    ) -> Iterator[DeliveryLoop]:
        own = open_repositories(settings)
        sender = SafeWebhookClient(lambda host: [], allowed_networks=[LOOPBACK], call_seconds=call)
        attempts = open_attempts(own, sender, webhook_cipher(settings), disable, waits)
        made = compose_delivery_loop(own, attempts, keep_days=14, concurrency=concurrency, lease_seconds=lease)
        thread = threading.Thread(target=made.run, args=(0.05,))
        thread.start()
        try:
            yield made
        finally:
            made.stop()
            thread.join(20)
            own.close()

    return run
