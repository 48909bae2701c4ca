"""Check that what cannot be opened again stays on record, is named, and keeps nothing else closed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import PermanentError, Result
from tests.simulators import Saved, mail_treatment
from tests.worker.test_mail import control, objects
from tests.worker.test_mail_refusal import account, client, locked
from tests.worker.test_mail_return import narrow
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail
from worker.integrations.step_context import StepContext

WorkFactory = Callable[..., StepContext]


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


# -- permissions that were taken while the mail was refused

READING = ("sysMemoryLookupKeyGet", "sysMemoryLookupKeyQuery")


def test_a_resume_without_the_right_to_read_keys_fails_and_keeps_the_names_on_record(
    stalwart: StalwartSimulator, mail: StalwartClient, work: WorkFactory, saved: Saved
) -> None:
    ensure_mail(work("stalwart"), mail)
    account(stalwart, saved["stalwartDomainId"])
    close_mail(work("stalwart"), mail)
    with pytest.raises(PermanentError, match=r"missing_permission: Mail to acme\.test .*sysMemoryLookupKeyQuery"):
        ensure_mail(work("stalwart"), narrow(stalwart, *READING))
    assert saved["stalwartRefused"] == ["acme.test"]
    assert (mail_treatment(stalwart), locked(stalwart)) == ({"acme.test": "refused"}, [])
    assert ensure_mail(work("stalwart"), mail).result is Result.OK
    assert (mail_treatment(stalwart), saved["stalwartRefused"]) == ({"acme.test": "delivered"}, [])


def test_a_resume_notices_at_once_that_the_account_has_the_right_again(
    stalwart: StalwartSimulator, mail: StalwartClient, work: WorkFactory
) -> None:
    ensure_mail(work("stalwart"), mail)
    close_mail(work("stalwart"), mail)
    narrowed = narrow(stalwart, *READING)
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_mail(work("stalwart"), narrowed)
    narrow(stalwart)
    assert ensure_mail(work("stalwart"), narrowed).result is Result.OK
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}


def test_the_key_of_a_former_name_stays_on_record_without_the_right_to_read_keys(
    stalwart: StalwartSimulator, mail: StalwartClient, work: WorkFactory, saved: Saved
) -> None:
    ensure_mail(work("stalwart"), mail)
    domain = {"kind": "Domain", "id_": saved["stalwartDomainId"]}
    control(stalwart, "update", **domain, patch={"aliases": {"acme-group.test": True}})
    close_mail(work("stalwart"), mail)
    control(stalwart, "update", **domain, patch={"aliases": {}})
    for _ in range(2):
        with pytest.raises(PermanentError, match="missing_permission"):
            ensure_mail(work("stalwart"), narrow(stalwart, *READING))
    assert saved["stalwartRefused"] == ["acme-group.test", "acme.test"]


def test_a_purge_without_the_right_to_read_keys_removes_nothing(
    stalwart: StalwartSimulator, mail: StalwartClient, work: WorkFactory
) -> None:
    ensure_mail(work("stalwart"), mail)
    close_mail(work("stalwart"), mail)
    with pytest.raises(PermanentError, match="missing_permission"):
        remove_mail(work("stalwart"), narrow(stalwart, *READING))
    assert len(objects(stalwart, "Domain")) == 1
    assert remove_mail(work("stalwart"), mail).result is Result.OK
    assert objects(stalwart, "MemoryLookupKey") == []
