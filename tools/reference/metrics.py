"""The page of the Prometheus metrics."""

from __future__ import annotations

from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase

from shared.metrics import metrics
from tools.reference import MARK
from worker.jobs import certificates

MODULES: tuple[ModuleType, ...] = (metrics, certificates)
HEAD = f"""\
# Metrics

{MARK}

With `METRICS_PORT` set, API, workers and schedulers each serve these on that port. Those marked *scheduler* are read
from the database at each scrape, by every scheduler, so take the maximum. A histogram has `_bucket`, `_sum` and
`_count`. `deploy/monitoring/` holds a Grafana dashboard and alert rules.

| metric | type | meaning | labels |
|---|---|---|---|"""

#: gauges that a scheduler reads when it is scraped
COLLECTED = {
    "dezky_broker_up": ("1 while the broker answers", ""),
    "dezky_breaker_open": ("1 while the circuit breaker is open", "integration"),
    "dezky_operation_oldest_age_seconds": ("Age of the oldest running operation", ""),
    "dezky_operations_open": ("Running operations by the most severe kind of their problems", "state"),
    "dezky_paused": ("1 while an operator has paused it", "name"),
    "dezky_queue_messages": ("Messages that wait in a queue", "queue"),
    "dezky_tenants_unwell": ("Tenants by the most severe kind of their problems", "kind"),
}


def page() -> str:
    """Return the page."""
    counted = (one for module in MODULES for one in vars(module).values() if isinstance(one, MetricWrapperBase))
    lines = [HEAD, *sorted({_row(one) for one in counted})]
    lines += (f"| `{name}` | gauge, scheduler | {text} | {labels} |" for name, (text, labels) in COLLECTED.items())
    return "\n".join(lines) + "\n"


def _row(one: MetricWrapperBase) -> str:
    (family,) = one.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"| `{name}` | {family.type} | {family.documentation} | {', '.join(one._labelnames)} |"
