"""Alerts and dashboard use metrics and labels that the processes serve, read by a Prometheus parser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sandbox.processes import free_port
from tests.end_to_end.conftest import Platform, make_platform, platform  # noqa: F401
from tests.simulators import fault

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
#: a metric's name as an expression uses it, with its label matchers if it has any
USED = re.compile(r"\b(dezky_[a-z0-9_]+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"by \(([a-z_, ]+)\)")
#: of Prometheus itself, or added by it to every series
OTHERS = {"le", "job", "instance"}


def expressions() -> Iterator[tuple[str, str]]:
    """Return (place, expression) of every alert and panel."""
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for one in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in one["targets"]:
            yield one["title"], target["expr"]


def scraped(port: int) -> dict[str, set[str]]:
    """Return sample names with their label names."""
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def value(port: int, sample: str, **labels: str) -> float:
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples if one.name == sample]
    return sum(one.value for one in samples if labels.items() <= one.labels.items())


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def wait_for(true: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_expression_names_metrics_and_labels_that_are_served(platform: Platform, api_port: int) -> None:  # noqa: F811
    ports = {"worker": free_port(), "scheduler": free_port()}
    platform.start_worker(METRICS_PORT=str(ports["worker"]), METRICS_HOST="127.0.0.1")
    platform.start_scheduler(METRICS_PORT=str(ports["scheduler"]), METRICS_HOST="127.0.0.1")
    wait_for(lambda: answers(f"http://127.0.0.1:{ports['scheduler']}/metrics"))
    platform.create("acme")
    assert platform.settled("acme").tenant.status == "active"
    fault(platform.ocis, kind="status", status=503)
    platform.create("beta")
    platform.services.switches.pause("billing", "an upgrade", platform.admin)
    wait_for(lambda: value(ports["worker"], "dezky_step_attempts_total", integration="ocis", outcome="retry") >= 1)
    wait_for(lambda: value(ports["scheduler"], "dezky_tenants_unwell") >= 1)
    assert value(ports["worker"], "dezky_step_attempts_total", integration="stalwart", outcome="ok") >= 1
    assert value(ports["worker"], "dezky_operations_finished_total", action="provision", status="succeeded") >= 1
    assert value(ports["scheduler"], "dezky_operations_open") == 1
    assert value(ports["scheduler"], "dezky_paused", name="billing") == 1
    served = {"up": {"job"}}
    for port in (*ports.values(), api_port):
        for name, labels in scraped(port).items():
            served.setdefault(name, set()).update(labels)
    # these have no sample before their first event, so only their definitions are checked
    served |= {"dezky_leases_lost_total": {"integration"}, "dezky_webhook_deliveries_total": {"outcome"}}
    served |= {"dezky_scheduler_job_failures_total": {"scheduler_job"}}
    served |= {"dezky_certificate_expiry_timestamp_seconds": {"integration"}}
    for where, expression in expressions():
        known = {name: served[name] for name, _ in USED.findall(expression) if name in served}
        named = {name for name, _ in USED.findall(expression)}
        assert named <= set(known), f"{where}: {named - set(known)} is not served"
        wanted = {label for _, matchers in USED.findall(expression) for label in re.findall(r"(\w+)=~?", matchers)}
        wanted |= {label.strip() for group in GROUPED.findall(expression) for label in group.split(",")}
        assert wanted <= OTHERS.union(*known.values()), f"{where}: {wanted}"


@pytest.fixture
def api_port(platform: Platform) -> int:  # noqa: F811
    """The metrics' port of an API of two processes that has answered some requests."""
    port = free_port()
    url = platform.start_api(METRICS_PORT=str(port), METRICS_HOST="127.0.0.1", workers=2)
    wait_for(lambda: answers(f"{url}/health/live"))
    for _ in range(20):
        assert requests.get(f"{url}/nowhere", timeout=10).status_code in (401, 503)
    # any of the two processes answers
    assert value(port, "dezky_http_requests_total", route="unknown") == 20
    return port


def test_without_a_metrics_port_nothing_listens_and_a_port_in_use_stops_nothing(platform: Platform) -> None:  # noqa: F811
    port = free_port()
    platform.start_worker(METRICS_PORT=str(port), METRICS_HOST="127.0.0.1")
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/metrics"))
    platform.start_worker(METRICS_PORT=str(port), METRICS_HOST="127.0.0.1")
    platform.create("acme")
    assert platform.settled("acme").tenant.status == "active"
    assert "metrics.port_not_available" in platform.logs()


def test_every_alert_has_a_severity_and_a_remedy() -> None:
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert rule["annotations"]["summary"].endswith(".")
            assert rule["annotations"]["description"].endswith(".")
