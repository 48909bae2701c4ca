"""Task events: a worker never waits for the broker to publish one."""

from __future__ import annotations

import pytest

from sandbox.services import Valkey
from shared.config.addresses import BrokerAddress
from shared.messaging.celery_app import make_celery


@pytest.mark.timeout(60)
def test_a_heartbeat_without_a_broker_is_kept_and_does_not_block(own_valkey: Valkey) -> None:
    app = make_celery(BrokerAddress.of(own_valkey.url), "worker")
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection, buffer_group=["task"], on_send_buffered=lambda: None)
        dispatcher.send("worker-heartbeat")
        own_valkey.stop()
        # as Celery's own heart does it: with retries, of which there is no end
        dispatcher.send("worker-heartbeat", retry=True)
        assert [event["type"] for event, _ in dispatcher._outbound_buffer] == ["worker-heartbeat"]
        dispatcher.disable()
    app.close()
