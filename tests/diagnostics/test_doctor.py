"""Diagnostics report faults with remedies and unconfigured parts, and record their runs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from shared.core.errors import Forbidden
from shared.diagnostics.model import Check, CheckStatus, RunStatus
from shared.messaging.celery_app import make_celery
from shared.operations.dispatcher import Dispatcher
from shared.operations.problems import COUNTED
from shared.rights.policy import Actor
from tests.platform_fixture import PlatformFixture
from tests.simulators import fault
from worker.composition import open_diagnostics, open_diagnostics_job

PRODUCTS = ("authentik", "stalwart", "ocis")


def examined(platform: PlatformFixture, dispatcher: Dispatcher) -> dict[tuple[str, str], Check]:
    app = make_celery(platform.settings.broker, "sender")
    checks = open_diagnostics(platform.store, dispatcher, app, platform.clients, platform.settings).run()
    app.close()
    return {(one.area, one.name): one for one in checks}


def test_a_working_check_is_ok_and_an_unconfigured_one_is_skipped(
    platform: PlatformFixture, dispatcher: Dispatcher
) -> None:
    platform.grown()
    found = examined(platform, dispatcher)
    for key in (("mongodb", "connection"), ("mongodb", "indexes"), ("clock", "difference"), ("broker", "connection")):
        assert found[key].status == "ok", found[key]
    for product in ("authentik", "stalwart", "ocis"):
        assert found[(product, "rights")].status == "ok", found[(product, "rights")]
        assert found[(product, "tls")].status == "warning"
        version = found[(product, "version")]
        assert version.version
        assert version.version in version.message
        assert version.seconds is not None
    assert found[("billing", "configuration")].status == "not_configured"
    assert found[("issuers", "configuration")].status == "not_configured"
    assert found[("queues", "stalwart")].message == "1 messages wait."


def test_a_failing_check_has_a_remedy(make_platform: Callable[..., PlatformFixture], dispatcher: Dispatcher) -> None:
    platform = make_platform(oidc_issuers="http://127.0.0.1:9/", oidc_audiences="operator", call_seconds=1)
    fault(platform.authentik, kind="status", status=403, body="{}")
    fault(platform.ocis, kind="hang")
    platform.rows["tenants"].drop_index("search")
    began = time.monotonic()
    found = examined(platform, dispatcher)
    platform.store.make_indexes()
    assert time.monotonic() - began < 90
    failed = {key for key, check in found.items() if check.status is CheckStatus.FAILED}
    assert {("authentik", "rights"), ("ocis", "rights"), ("workers", "alive"), ("mongodb", "indexes")} <= failed
    assert ("scheduler", "alive") in failed
    assert ("issuers", "http://127.0.0.1:9/") in failed
    assert "tenants.search" in found[("mongodb", "indexes")].message
    assert all(found[key].remedy for key in failed), [found[key] for key in failed if not found[key].remedy]
    # a check is no step: nothing runs again by itself
    assert not [check for check in found.values() if "automatically" in check.remedy]
    assert ("stalwart", "rights") not in failed
    # a refusal counts as an answer, a timeout does not
    assert found[("authentik", "version")].seconds is not None
    assert found[("ocis", "version")].seconds is None


@contextmanager
def issuer(answer: bytes, pause: float = 0.0) -> Iterator[str]:
    """Serve an answer, byte by byte if there is a pause; yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, suppress(OSError):
                        peer.recv(65536)
                        for part in [answer] if not pause else [bytes([one]) for one in answer]:
                            peer.sendall(part)
                            time.sleep(pause)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (HEAD + b"null", 0.0),
        (HEAD + b"[]", 0.0),
        (HEAD + b"[" * 100_000, 0.0),
        (b"nonsense\r\n\r\n", 0.0),
        (HEAD + b" " * 100, 0.2),
    ],
    ids=["null", "list", "nested", "no HTTP", "drip"],
)
def test_an_issuer_that_answers_wrongly_fails_its_own_check_in_time(
    make_platform: Callable[..., PlatformFixture], dispatcher: Dispatcher, answer: bytes, pause: float
) -> None:
    with issuer(answer, pause) as url:
        platform = make_platform(oidc_issuers=url, oidc_audiences="operator", call_seconds=1)
        began = time.monotonic()
        found = examined(platform, dispatcher)
    assert time.monotonic() - began < 20
    assert found[("issuers", url)].status is CheckStatus.FAILED
    assert found[("issuers", url)].remedy
    assert found[("stalwart", "rights")].status is CheckStatus.OK


def test_a_check_that_breaks_off_stops_no_other(platform: PlatformFixture, dispatcher: Dispatcher) -> None:
    platform.grown()
    refused = {"ocis": "failed/missing_permission", "any": "failed/"}
    operations = platform.rows["operations"]
    operations.update_one({}, {"$set": {"problems": refused}})
    operations.drop_index(COUNTED)
    try:
        found = examined(platform, dispatcher)
    finally:
        platform.store.make_indexes()
    assert "operations.problems_all" in found[("mongodb", "indexes")].message
    assert found[("write rights", "run")].status is CheckStatus.FAILED
    assert found[("ocis", "rights")].status is CheckStatus.OK


def test_the_check_of_refusals_over_smtp_says_that_the_workers_addresses_must_be_allowed(
    platform: PlatformFixture, dispatcher: Dispatcher
) -> None:
    assert ("stalwart", "smtp") not in examined(platform, dispatcher)
    platform.settings = platform.settings.model_copy(update={"stalwart_smtp_url": "smtp://127.0.0.1:25"})
    assert "x:AllowedIp" in examined(platform, dispatcher)[("stalwart", "smtp")].message


def test_a_product_that_stopped_answering_since_the_last_check_is_found(
    platform: PlatformFixture, dispatcher: Dispatcher
) -> None:
    assert all(examined(platform, dispatcher)[(one, "version")].status == "ok" for one in PRODUCTS)
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="status", status=503)
    found = examined(platform, dispatcher)
    assert [found[(one, "version")].status for one in PRODUCTS] == ["warning"] * 3


def test_write_permissions_are_derived_from_the_record_and_never_tried(
    platform: PlatformFixture, dispatcher: Dispatcher
) -> None:
    platform.grown()
    before = examined(platform, dispatcher)
    assert all(before[(product, "write rights")].status == "ok" for product in ("authentik", "stalwart", "ocis"))
    assert ("billing", "write rights") not in before
    refused = {"ocis": "failed/missing_permission", "any": "failed/"}
    platform.rows["operations"].update_one({}, {"$set": {"problems": refused}})
    platform.rows["migrations"].delete_many({})
    found = examined(platform, dispatcher)
    assert found[("ocis", "write rights")].status == "failed"
    assert found[("ocis", "write rights")].message == "Tenants whose step was refused with missing_permission: 1."
    assert found[("ocis", "write rights")].remedy
    assert found[("stalwart", "write rights")].status == "ok"
    assert found[("mongodb", "migrations")].status == "failed"


def test_a_run_waits_until_a_scheduler_does_it_and_only_platform_administrators_ask(
    platform: PlatformFixture, dispatcher: Dispatcher
) -> None:
    run = platform.services.diagnostics.start(platform.admin)
    assert run.status is RunStatus.WAITING
    app = make_celery(platform.settings.broker, "sender")
    job = open_diagnostics_job(platform.store, open_diagnostics(platform.store, dispatcher, app, {}, platform.settings))
    job.run_once()
    assert job.run_once() == 0
    deadline = time.monotonic() + 40
    while platform.services.diagnostics.get(run.id, platform.admin).status is not RunStatus.FINISHED:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    app.close()
    assert platform.services.diagnostics.get(run.id, platform.admin).checks
    assert platform.store.diagnostics.claim() is None
    stranger = Actor(platform.admin.user, frozenset({"portal"}))
    with pytest.raises(Forbidden):
        platform.services.diagnostics.start(stranger)
