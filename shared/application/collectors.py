"""Metrics that are computed at each scrape from the database and the queues. The scheduler serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.core.errors import StoreUnavailable
from shared.db.connection import MongoConnection
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.dispatcher import Dispatcher
from shared.status.outcome_repository import OutcomeRepository
from shared.status.problem_repository import ProblemRepository
from shared.switches.repository import SwitchRepository

log = structlog.get_logger(__name__)

#: time limit of the database queries of one part of a scrape, in seconds
QUERY_SECONDS = 1.5


class PlatformCollector(Collector):
    """Open operations by state, breakers, pauses, queues. A scrape omits the values of a part that does not answer."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        outcomes: OutcomeRepository,
        problems: ProblemRepository,
        switches: SwitchRepository,
        dispatcher: Dispatcher,
    ) -> None:
        self._connection = connection
        self._outcomes = outcomes
        self._problems = problems
        self._switches = switches
        self._dispatcher = dispatcher

    def describe(self) -> list[Metric]:
        """Describe nothing in advance, because registering must not query the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges with their current values.

        All parts are read at the same time, so that a scrape takes as long as the slowest, also when none answers.
        """
        database = [partial(self._of_database, part) for part in (self._operations, self._switch_metrics)]
        parts: list[Callable[[], list[Metric]]] = [*database, self._queues]
        with ThreadPoolExecutor(len(parts)) as threads:
            for found in threads.map(lambda part: part(), parts):
                yield from found

    def _of_database(self, part: Callable[[], list[Metric]]) -> list[Metric]:
        """Return a part's gauges; none after a fault, because the other parts show that the process lives."""
        try:
            with self._connection.within(QUERY_SECONDS):
                return part()
        except StoreUnavailable:
            return []
        except Exception:
            log.exception("metrics.bug")
            return []

    def _operations(self) -> list[Metric]:
        counts, oldest = self._outcomes.open_states()
        open_now = GaugeMetricFamily(
            "dezky_operations_open", "Running operations by the most severe kind of their problems", labels=["state"]
        )
        for state, count in counts.items():
            open_now.add_metric([state], count)
        age = GaugeMetricFamily(
            "dezky_operation_oldest_age_seconds", "Age of the oldest running operation", value=oldest
        )
        with_problems = GaugeMetricFamily(
            "dezky_tenants_unwell", "Tenants by the most severe kind of their problems", labels=["kind"]
        )
        for kind, count in self._problems.count(None).tenants().items():
            with_problems.add_metric([kind], count)
        return [open_now, age, with_problems]

    def _switch_metrics(self) -> list[Metric]:
        switches = self._switches.all()
        breakers = GaugeMetricFamily("dezky_breaker_open", "1 while the breaker is open", labels=["integration"])
        pauses = GaugeMetricFamily("dezky_paused", "1 while an operator has paused it", labels=["name"])
        for name in INTEGRATIONS:
            breakers.add_metric([name], 1 if name in switches and switches[name].is_open else 0)
        for name, switch in switches.items():
            if not switch.is_of_tenant:
                pauses.add_metric([name], 1 if switch.pause is not None else 0)
        return [breakers, pauses]

    def _queues(self) -> list[Metric]:
        lengths = self._dispatcher.queue_lengths()
        up = GaugeMetricFamily("dezky_broker_up", "1 while the broker answers", value=0 if lengths is None else 1)
        depth = GaugeMetricFamily("dezky_queue_messages", "Messages that wait in a queue", labels=["queue"])
        for queue, length in (lengths or {}).items():
            depth.add_metric([queue], length)
        return [up, depth]
