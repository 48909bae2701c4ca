"""Configure the Celery application for API and worker. A comment gives the reason for each unusual setting."""

from __future__ import annotations

from typing import Literal

from celery import Celery
from kombu import Exchange, Queue

from shared.config.addresses import BrokerAddress
from shared.messaging.celery_extensions import install_reconnect_workaround
from shared.messaging.messages import QUEUES
from shared.messaging.redis_client import transport_options

#: lifetime of a chord's counter in seconds; longer than any operation, so that no counter expires too early
CHORD_COUNTER_TTL = 7200

#: (socket, connect) timeouts in seconds: a sender serves a request and gives up early, a worker blocks in BRPOP
_TIMEOUTS = {"sender": (1.0, 0.7), "worker": (5.0, 2.0)}


def make_celery(broker: BrokerAddress, role: Literal["sender", "worker"]) -> Celery:
    """Return a configured app without tasks. A sender gives up quickly on the broker; a worker reconnects for ever."""
    install_reconnect_workaround()
    app = Celery(
        "dezky",
        set_as_current=role == "worker",
        amqp="shared.messaging.celery_extensions:RedactingAmqp",
        events="shared.messaging.celery_extensions:NonBlockingEvents",
    )
    socket_timeout, connect_timeout = _TIMEOUTS[role]
    app.conf.update(
        broker_url=broker.url,
        # a class instead of a URL, because dashboards show this value and a URL may contain a password
        result_backend="shared.messaging.chord_backend:ChordCounterBackend",
        result_expires=CHORD_COUNTER_TTL,
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        enable_utc=True,
        timezone="UTC",
        # explicit queues: a misspelt name is an error instead of a new queue that nobody reads
        task_queues=[Queue(name, Exchange(name, type="direct"), routing_key=name) for name in QUEUES],
        task_create_missing_queues=False,
        task_default_queue="control",
        # acknowledge after the task, so that the broker redelivers the message of a worker that died
        task_acks_late=True,
        # acknowledge also when only a forked child died. A redelivered message would find the dead child's lease and do
        # nothing, and one that crashes its child before the claim would crash children for ever without being counted.
        # The scheduler publishes the step again when the lease has expired, as often as attempts are allowed
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=20,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None if role == "worker" else 0,
        broker_transport_options={
            # no message has a priority, so a queue needs one list instead of four
            "priority_steps": [0],
            "visibility_timeout": 300,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # a broker that hung may grant this lock to a client that has gone; until the lock expires, no other client
            # restores the messages of dead workers
            "unacked_mutex_expire": 10,
            **transport_options(broker, socket_timeout=socket_timeout, connect_timeout=connect_timeout),
            "socket_keepalive": True,
            "health_check_interval": 10,
            **({"max_retries": 0, "interval_start": 0} if role == "sender" else {}),
        },
        redis_socket_timeout=socket_timeout,
        redis_socket_connect_timeout=connect_timeout,
        redis_backend_health_check_interval=10,
    )
    return app
