"""The doctor says what is wrong, what to do, and what is not configured; its runs are on record."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from shared.core.errors import Forbidden
from shared.diagnostics.model import Check, CheckStatus, RunStatus
from shared.messaging.celery_app import make_celery
from shared.operations.dispatcher import Dispatcher
from shared.provisioning.policy import Actor
from tests.path.conftest import Platform, make_platform, platform  # noqa: F401
from tests.simulators import fault
from tests.yard import Yard
from worker.diagnostics.checks import Doctor
from worker.diagnostics.job import DiagnosticsJob


def examined(yard: Yard, dispatcher: Dispatcher) -> dict[tuple[str, str], Check]:
    app = make_celery(yard.settings.broker, "sender")
    checks = Doctor(yard.store, dispatcher, app, yard.clients, yard.settings).examine()
    app.close()
    return {(one.area, one.name): one for one in checks}


def test_what_works_is_ok_and_what_is_not_configured_is_said_to_be_so(yard: Yard, dispatcher: Dispatcher) -> None:
    yard.grown()
    found = examined(yard, dispatcher)
    for key in (("mongodb", "connection"), ("mongodb", "indexes"), ("clock", "difference"), ("broker", "connection")):
        assert found[key].status == "ok", found[key]
    for product in ("authentik", "stalwart", "ocis"):
        assert found[(product, "rights")].status == "ok", found[(product, "rights")]
        assert found[(product, "tls")].status == "warning"
    assert found[("billing", "configuration")].status == "not_configured"
    assert found[("issuers", "configuration")].status == "not_configured"
    assert found[("queues", "stalwart")].message == "1 messages wait."


def test_what_does_not_work_is_failed_with_what_to_do(make_yard: Callable[..., Yard], dispatcher: Dispatcher) -> None:
    yard = make_yard(oidc_issuers="http://127.0.0.1:9/", oidc_audiences="operator", call_seconds=1)
    fault(yard.authentik, kind="status", status=403, body="{}")
    fault(yard.ocis, kind="hang")
    yard.rows["tenants"].drop_index("search")
    began = time.monotonic()
    found = examined(yard, dispatcher)
    yard.store.make_indexes()
    assert time.monotonic() - began < 90
    failed = {key for key, check in found.items() if check.status is CheckStatus.FAILED}
    assert {("authentik", "rights"), ("ocis", "rights"), ("workers", "alive"), ("mongodb", "indexes")} <= failed
    assert ("scheduler", "alive") in failed
    assert ("issuers", "http://127.0.0.1:9/") in failed
    assert "tenants.search" in found[("mongodb", "indexes")].message
    assert all(found[key].remedy for key in failed), [found[key] for key in failed if not found[key].remedy]
    assert ("stalwart", "rights") not in failed


def test_a_run_waits_until_a_scheduler_does_it_and_only_platform_administrators_ask(
    yard: Yard, dispatcher: Dispatcher
) -> None:
    run = yard.plane.diagnostics.start(yard.admin)
    assert run.status is RunStatus.WAITING
    app = make_celery(yard.settings.broker, "sender")
    job = DiagnosticsJob(yard.store, Doctor(yard.store, dispatcher, app, {}, yard.settings))
    job.push()
    assert job.push() == 0
    give_up = time.monotonic() + 40
    while yard.plane.diagnostics.get(run.id, yard.admin).status is not RunStatus.FINISHED:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    app.close()
    assert yard.plane.diagnostics.get(run.id, yard.admin).checks
    assert yard.store.diagnostics.claim() is None
    stranger = Actor(yard.admin.user, frozenset({"portal"}))
    with pytest.raises(Forbidden):
        yard.plane.diagnostics.start(stranger)


@pytest.mark.timeout(120)
def test_the_command_says_the_same_of_a_platform_that_runs_and_names_no_secret(platform: Platform) -> None:  # noqa: F811
    platform.start_worker()
    platform.start_sweep()
    give_up = time.monotonic() + 20
    while platform.store.status_repair.seconds_since_run() is None:
        assert time.monotonic() < give_up
        time.sleep(0.2)
    environment: dict[str, Any] = platform._environment
    done = subprocess.run(
        [sys.executable, "-m", "worker.doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "workers/alive: 1 answer" in done.stdout
    assert "scheduler/alive: A scheduler worked" in done.stdout
    assert environment["AUTHENTIK_API_TOKEN"] not in done.stdout + done.stderr
