"""The Celery application both doors configure alike. Each setting that is not Celery's default has its reason here."""

from __future__ import annotations

from typing import Literal

from celery import Celery
from kombu import Exchange, Queue

from shared.config.broker_url import BrokerAddress
from shared.messaging.queues import QUEUES
from shared.messaging.reconnect_workaround import install_redis_guard
from shared.messaging.redis_client import transport_options

#: the longest an operation may stay open is below this, so no chord's counter is forgotten before its end, in seconds
JOIN_EXPIRES = 7200

#: (socket, connect) timeouts in seconds: a sender stands in a request and gives up early, a worker holds BRPOP open
_TIMEOUTS = {"sender": (1.0, 0.7), "worker": (5.0, 2.0)}


def make_celery(broker: BrokerAddress, role: Literal["sender", "worker"]) -> Celery:
    """A configured app with no tasks. A sender never waits long for a broker; a worker never gives up on one."""
    install_redis_guard()
    app = Celery(
        "dezky",
        set_as_current=role == "worker",
        amqp="shared.messaging.url_redaction:RedactingAmqp",
        events="shared.messaging.events:NonBlockingEvents",
    )
    socket_timeout, connect_timeout = _TIMEOUTS[role]
    app.conf.update(
        broker_url=broker.url,
        # named without its address, which may hold a password and is shown by dashboards
        result_backend="shared.messaging.chord_backend:ChordCounterBackend",
        result_expires=JOIN_EXPIRES,
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        enable_utc=True,
        timezone="UTC",
        # explicit queues: a misspelt one is an error, not a new queue that nobody reads
        task_queues=[Queue(name, Exchange(name, type="direct"), routing_key=name) for name in QUEUES],
        task_create_missing_queues=False,
        task_default_queue="control",
        # acknowledged after its work, so that the message of a worker that died comes back
        task_acks_late=True,
        # but not when only a forked child died. Put back at once, it would find its step under the dead child's lease
        # and do nothing; and one whose child dies before there is a claim would kill child after child, uncounted and
        # for ever. So it is acknowledged: the attempt is on record, and the sweep sends the step again when the lease
        # is over, as often as attempts are allowed
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=20,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None if role == "worker" else 0,
        broker_transport_options={
            # no message of ours has a priority: a queue is one list, not four
            "priority_steps": [0],
            "visibility_timeout": 300,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # a broker that hung answers whoever asked for this lock before, and has long gone: nobody else then gives
            # dead workers' messages back until it ends
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
