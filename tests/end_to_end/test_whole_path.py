"""From a recorded tenant to an active one, through real workers, whichever process dies on the way."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable

import redis
import requests

from sandbox.services import Valkey
from shared.messaging.messages import FINALIZE, QUEUES, TaskCall, make_message
from shared.operations.model import Mode, OperationStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.simulators import API_TOKEN, fault, writes
from tests.waiting import until

STEPS = ("authentik", "stalwart", "ocis")


def test_a_tenant_is_set_up_in_all_three_products_and_becomes_active(platform: Platform) -> None:
    platform.start_worker()
    platform.create("acme")
    view = platform.settled("acme")
    assert view.tenant.status is Status.ACTIVE
    assert view.tenant.provisioning_status == dict.fromkeys(STEPS, "ok")
    assert platform.has_one_of_each("acme")
    upstream = platform.upstream("acme")
    assert view.tenant.remote["authentikGroupId"] == upstream["groups"][0]["pk"]
    assert view.tenant.remote["stalwartDomainId"] == upstream["domains"][0]["id"]
    assert view.tenant.remote["ocisSpaceId"] == upstream["spaces"][0]["id"]
    assert any("_domainkey" in record["name"] for record in view.tenant.remote["dnsRecords"])


def test_the_operations_request_id_reaches_every_product_and_no_secret_reaches_the_logs(platform: Platform) -> None:
    platform.start_worker()
    platform.create("acme")
    platform.settled("acme")
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        assert {entry["request_id"] for entry in product.journal} == {"request-acme"}
    assert API_TOKEN not in platform.logs()
    assert "stamp-key-for-tests-32-characters" not in platform.logs()


def test_a_reconcile_corrects_drift(platform: Platform) -> None:
    platform.start_worker()
    platform.create("acme")
    before = platform.settled("acme").tenant
    platform.authentik.directory.delete_group(platform.authentik.directory.groups_by_name["tenant-acme"])
    platform.ocis.storage.spaces[before.remote["ocisSpaceId"]].disabled = True
    patch = {"kind": "Domain", "id_": before.remote["stalwartDomainId"], "patch": {"isEnabled": False}}
    requests.post(f"{platform.stalwart.url}/__sim/call/update", json=patch, timeout=5).raise_for_status()
    platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY)
    view = platform.settled("acme")
    assert view.tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
    assert platform.upstream("acme")["domains"][0]["isEnabled"] is True
    assert platform.upstream("acme")["spaces"][0]["disabled"] is False
    assert view.tenant.remote["authentikGroupId"] != before.remote["authentikGroupId"]


def test_a_worker_killed_after_the_products_write_leaves_one_object(platform: Platform) -> None:
    # the effect happens at once and the response drips: the worker dies in between
    fault(platform.authentik, kind="drip", method="POST", delay=0.5, count=1)
    fault(platform.ocis, kind="drip", method="POST", path="drives$", delay=0.5, count=1)
    worker = platform.start_worker()
    platform.create("acme")
    until(lambda: platform.upstream("acme")["groups"] and platform.upstream("acme")["spaces"])
    worker.send_signal(signal.SIGKILL)
    worker.wait(5)
    assert platform.tenant("acme").tenant.status is Status.PENDING
    platform.start_worker()
    platform.start_scheduler()
    view = platform.settled("acme")
    assert view.tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
    assert view.operation is not None
    assert view.operation.step("authentik").attempts == 2


def test_a_step_that_is_published_repeatedly_without_workers_runs_once(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    # with so long a lease a second attempt would run beside the first
    patient = {"LEASE_SECONDS": "60", "ATTEMPT_SECONDS": "50", "CALL_SECONDS": "20"}
    platform = make_platform(redis_url, DISPATCH_GRACE_SECONDS="0.2", **patient)
    slugs = [f"acme{number}" for number in range(3)]
    platform.start_scheduler()
    for slug in slugs:
        platform.create(slug)
    for slug in slugs:
        until(lambda slug=slug: platform.tenant(slug).operation.dispatch >= 3)
        assert platform.tenant(slug).tenant.provisioning_status == dict.fromkeys(STEPS, "pending")
    platform.start_worker()
    for slug in slugs:
        view = platform.settled(slug)
        assert view.tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
        assert view.operation is not None
        # the mail step may have waited for keys
        assert [view.operation.step(name).attempts for name in ("authentik", "ocis")] == [1, 1]
    creating = ("POST /api/v3/core/groups/", "POST /graph/v1.0/drives")
    made = [one for product in (platform.authentik, platform.ocis) for one in writes(product) if one in creating]
    assert len(made) == len(creating) * len(slugs)


def test_an_emptied_broker_delays_steps_by_one_scheduler_interval(fragile: Platform, own_valkey: Valkey) -> None:
    for number in range(5):
        fragile.create(f"acme{number}")
    own_valkey.kill()
    own_valkey.start()
    assert redis.Redis.from_url(own_valkey.url).dbsize() == 0
    fragile.start_worker()
    fragile.start_scheduler()
    for number in range(5):
        assert fragile.settled(f"acme{number}").tenant.status is Status.ACTIVE
        assert fragile.has_one_of_each(f"acme{number}")


def test_workers_outlive_a_broker_that_dies_under_load(fragile: Platform, own_valkey: Valkey) -> None:
    for product in (fragile.authentik, fragile.stalwart, fragile.ocis):
        fault(product, kind="latency", delay=0.3)
    worker = fragile.start_worker()
    fragile.start_scheduler()
    for number in range(8):
        fragile.create(f"acme{number}")
    time.sleep(0.5)
    own_valkey.kill()
    time.sleep(1.2)
    own_valkey.start()
    for number in range(8):
        assert fragile.settled(f"acme{number}").tenant.status is Status.ACTIVE
        assert fragile.has_one_of_each(f"acme{number}")
    assert worker.poll() is None, fragile.logs()[-4000:]


def test_under_every_kind_of_fault_each_tenant_becomes_active_with_one_object_of_each_kind(platform: Platform) -> None:
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        for rule in (
            {"kind": "status", "status": 503, "probability": 0.12},
            {"kind": "reset", "probability": 0.08},
            {"kind": "lost", "probability": 0.08},
            {"kind": "applied_then_status", "status": 500, "probability": 0.06},
            {"kind": "rate_limited", "retry_after": 1, "probability": 0.05},
            {"kind": "wrong_body", "probability": 0.04},
            {"kind": "hang", "delay": 5, "probability": 0.02},
        ):
            fault(product, **rule)
    platform.start_worker()
    platform.start_scheduler()
    for number in range(12):
        platform.create(f"acme{number}")
    for number in range(12):
        view = platform.settled(f"acme{number}", 90)
        assert view.tenant.status is Status.ACTIVE, view
        assert platform.has_one_of_each(f"acme{number}"), platform.upstream(f"acme{number}")


def test_a_permanent_refusal_ends_the_operation_with_reason_and_remedy(platform: Platform) -> None:
    platform.authentik.directory.add_group({"name": "tenant-acme"})
    platform.start_worker()
    platform.create("acme")
    view = platform.settled("acme")
    assert view.operation is not None
    assert (view.tenant.status, view.operation.status) == (Status.PENDING, OperationStatus.FAILED)
    assert "tenant-acme" in view.tenant.provisioning_errors["authentik"]
    assert view.operation.step("authentik").remedy
    assert view.operation.step("ocis").status == "ok"


def test_one_product_that_is_down_does_not_delay_the_other_steps(platform: Platform) -> None:
    fault(platform.stalwart, kind="status", status=503)
    platform.start_worker()
    platform.create("acme")
    until(lambda: platform.tenant("acme").tenant.provisioning_status["ocis"] == "ok")
    view = platform.tenant("acme")
    assert view.tenant.provisioning_status["stalwart"] == "pending"
    assert view.operation is not None
    until(lambda: platform.tenant("acme").tenant.provisioning_errors.get("stalwart"))
    requests.delete(f"{platform.stalwart.url}/__sim/faults", timeout=5)
    assert platform.settled("acme").tenant.status is Status.ACTIVE


def test_malformed_messages_do_not_stop_a_worker(platform: Platform, redis_url: str) -> None:
    worker = platform.start_worker()
    sender = platform.dispatcher._app
    sender.send_task("dezky.no_such_task", queue="ocis", ignore_result=True)
    sender.send_task("dezky.run_step", args=["only-one"], queue="ocis", ignore_result=True)
    sender.send_task("dezky.run_step", args=["x" * 300_000, {"a": 1}, "NaN"], queue="ocis", ignore_result=True)
    sender.send_task("dezky.run_step", args=["0" * 24, "ocis", 2**70], queue="ocis", ignore_result=True)
    sender.send_task("dezky.run_step", kwargs={"operation_id": "0" * 24}, queue="ocis", ignore_result=True)
    sender.send_task("dezky.finalize", args=["no-id"], queue="control", ignore_result=True)
    broker = redis.Redis.from_url(redis_url)
    # a message without a task name
    nameless = json.loads(make_message(sender, TaskCall(FINALIZE, ("0" * 24,), "control")).text)
    nameless["headers"] = {}
    broker.lpush("control", json.dumps(nameless))
    platform.create("acme")
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    until(lambda: platform.logs().count("broker.message_rejected") == 7)
    until(lambda: not broker.hlen("unacked") and not any(broker.llen(queue) for queue in QUEUES))
    why = [re.search(r"why='?([a-z ]+\w)'?", line)[1] for line in rejections(platform)]  # type: ignore[index]
    assert sorted(why) == ["arguments"] * 5 + ["no task", "unknown task"]
    # the size is logged, and no content of a foreign message
    assert "xxxx" not in "\n".join(rejections(platform))
    assert worker.poll() is None


def rejections(platform: Platform) -> list[str]:
    return [line for line in platform.logs().splitlines() if "broker.message_rejected" in line]


def test_a_stopping_worker_finishes_its_running_steps(platform: Platform) -> None:
    fault(platform.ocis, kind="latency", delay=0.4)
    worker = platform.start_worker()
    platform.create("acme")
    until(lambda: platform.tenant("acme").operation.step("ocis").attempts == 1)  # type: ignore[union-attr]
    worker.terminate()
    assert worker.wait(30) == 0
    platform.start_worker()
    platform.start_scheduler()
    view = platform.settled("acme")
    assert view.tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")


def test_dispatches_leave_nothing_in_the_broker(platform: Platform, redis_url: str) -> None:
    platform.start_worker()
    client = redis.Redis.from_url(redis_url)
    for number in range(4):
        platform.create(f"acme{number}")
        platform.settled(f"acme{number}")
    until(lambda: not client.keys("join:*"))
    assert client.pubsub_channels("celery-task-meta-*") == []
    assert client.keys("celery-task-meta*") == []
