"""A worker process's tools: its database connection, its clients, its runner. Never shared by fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from celery import Celery

from shared.application.parts import open_settlement
from shared.application.store import open_repositories
from shared.config.settings import Settings
from shared.db.connection import PATIENCE
from shared.operations.dispatcher import Dispatcher
from shared.operations.repository import OperationRepository
from shared.provisioning.settlement import Settlement
from shared.workflows.model import Action
from worker.composition import open_runner
from worker.execution.bulkhead import Bulkhead
from worker.execution.runner import Runner
from worker.execution.watchdog import Watchdog
from worker.integrations.connect import connect_integrations
from worker.integrations.registry import STEPS, Functions

#: what a worker is started with unless somebody chose otherwise
USUAL_CONCURRENCY = 64


#: with usual settings MongoDB's members have a new primary 11 s after one died, and 20 s after one fell silent (seen)
ELECTION_SECONDS = 22.0


def patience(settings: Settings) -> float:
    """How long a worker's calls to the database may take, in seconds: an election, where the lease leaves time for it.

    What a step has done is then still put on record, instead of done again when the lease is over.
    """
    spare = (settings.lease_seconds - settings.attempt_seconds) / 2
    return max(PATIENCE, min(ELECTION_SECONDS, spare))


@dataclass(frozen=True)
class ProcessContext:
    """What a task works with."""

    operations: OperationRepository
    settlement: Settlement
    runner: Runner


class ProcessContexts:
    """Gives the calling process its own desk: a forked child makes a new one, with sockets of its own."""

    #: how many tasks the worker runs at once; Celery says it when it starts
    concurrency = USUAL_CONCURRENCY

    def __init__(
        self,
        settings: Settings,
        app: Celery,
        steps: Mapping[Action, Functions] = STEPS,
        watchdog: Watchdog | None = None,
    ) -> None:
        """`watchdog`: another than one that knows the lease."""
        self._settings = settings
        self._watchdog = watchdog
        self._app = app
        self._steps = steps
        self._lock = threading.Lock()
        self._desk: tuple[int, ProcessContext] | None = None

    def __call__(self) -> ProcessContext:
        with self._lock:
            if self._desk is None or self._desk[0] != os.getpid():
                self._desk = (os.getpid(), self._make())
            return self._desk[1]

    def stop(self) -> None:
        """The worker is told to stop: it takes on nothing more."""
        with self._lock:
            desk = self._desk[1] if self._desk is not None and self._desk[0] == os.getpid() else None
        if desk is not None:
            desk.runner.stop()

    def _make(self) -> ProcessContext:
        store = open_repositories(self._settings, patience(self._settings))
        dispatcher = Dispatcher(self._settings.broker, self._app)
        runner = open_runner(
            store,
            dispatcher,
            self._steps,
            connect_integrations(self._settings),
            self._settings,
            Bulkhead(self._settings.integration_slots or max(1, self.concurrency // 2)),
            self._watchdog or Watchdog(self._settings.lease_seconds),
        )
        runner.start()
        return ProcessContext(store.operations, open_settlement(store), runner)
