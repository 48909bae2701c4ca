"""The objects one worker process shares: database connection, clients and runner. Never shared across a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from celery import Celery

from shared.application.parts import open_restore_detector, open_settlement
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.connection import CALL_TIMEOUT
from shared.operations.dispatcher import Dispatcher
from shared.operations.repository import OperationRepository
from shared.provisioning.settlement import Settlement
from shared.workflows.model import Action
from worker.composition import open_runner
from worker.execution.bulkhead import Bulkhead
from worker.execution.runner import Runner
from worker.execution.watchdog import Watchdog
from worker.integrations.registry import STEPS, Functions, connect_integrations

log = structlog.get_logger(__name__)

#: concurrency until Celery says which one the worker was started with
DEFAULT_CONCURRENCY = 64


#: with default settings MongoDB elects a new primary 11 s after one died and 20 s after one fell silent (measured)
ELECTION_SECONDS = 22.0


def database_timeout(settings: Settings) -> float:
    """Return the timeout of a worker's database calls, in seconds: an election, if the lease leaves time for one.

    The outcome of a step is then still recorded, instead of the step running again when the lease runs out.
    """
    spare = (settings.lease_seconds - settings.attempt_seconds) / 2
    return max(CALL_TIMEOUT, min(ELECTION_SECONDS, spare))


@dataclass(frozen=True)
class ProcessContext:
    """The objects that every task of this process uses."""

    operations: OperationRepository
    settlement: Settlement
    runner: Runner


class ProcessContexts:
    """Return the calling process's context; a forked child gets a new one, with its own sockets."""

    #: tasks that the worker runs at once; Celery reports it at start
    concurrency = DEFAULT_CONCURRENCY

    def __init__(
        self,
        settings: Settings,
        app: Celery,
        steps: Mapping[Action, Functions] = STEPS,
        watchdog: Watchdog | None = None,
    ) -> None:
        """`watchdog`: replaces the one whose limit is the lease."""
        self._settings = settings
        self._watchdog = watchdog
        self._app = app
        self._steps = steps
        self._lock = threading.Lock()
        self._context: tuple[int, ProcessContext] | None = None

    def __call__(self) -> ProcessContext:
        with self._lock:
            if self._context is None or self._context[0] != os.getpid():
                self._context = (os.getpid(), self._make())
            return self._context[1]

    def stop(self) -> None:
        """Return waiting messages to their queues when the worker stops."""
        with self._lock:
            context = self._context[1] if self._context is not None and self._context[0] == os.getpid() else None
        if context is not None:
            context.runner.stop()

    def _make(self) -> ProcessContext:
        store = open_repositories(self._settings, database_timeout(self._settings))
        dispatcher = Dispatcher(self._settings.broker, self._app)
        runner = open_runner(
            store,
            dispatcher,
            self._steps,
            connect_integrations(self._settings),
            self._settings,
            Bulkhead(self._settings.integration_concurrency or max(1, self.concurrency // 2)),
            self._watchdog or Watchdog(self._settings.lease_seconds),
        )
        self._check_store(store, dispatcher, runner)
        return ProcessContext(store.operations, open_settlement(store), runner)

    def _check_store(self, store: Repositories, dispatcher: Dispatcher, runner: Runner) -> None:
        """Check the database as at every start. Without it no step runs, and the scheduler checks before it publishes.

        The first tasks wait for this one after the other, so it does not wait for an election as their own calls do: a
        worker that is told to stop while its database is gone ends soon.
        """
        try:
            if not store.connection.is_up(CALL_TIMEOUT):
                raise StoreUnavailable
            open_restore_detector(store, dispatcher.high_water_mark, self._settings).check()
            runner.start()
        except StoreUnavailable:
            log.warning("process_context.store_unavailable")
