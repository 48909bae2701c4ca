"""Check that single domains fail by themselves, in Stalwart's own words, and that hand-made key settings are drift."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError, failed
from shared.integrations.ownership_marker import MarkerSigner
from shared.switches.model import HealthSignal, health_signal
from tests.simulators import API_TOKEN, OTHER_ID, STAMP_KEYS, MakeStep, Saved, fault, mail_treatment
from tests.worker.test_mail import client, control, objects
from worker.http.json_client import BearerToken, JsonClient, user_and_password
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.provision import ensure_mail

THREE = ("acme.test", "acme.example", "acme.org")


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


def test_a_domain_that_stalwart_refuses_is_named_and_the_others_are_set_up(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    with pytest.raises(PermanentError, match="invalid") as refusal:
        ensure_mail(make_step("stalwart", domains=THREE), mail)
    assert refusal.value.detail == (
        "acme.example: Stalwart refused the object as invalidPatch: Invalid domain name (name)."
    )
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "acme.org": "delivered"}
    assert [entry["domain"] for entry in saved["stalwartDomains"]] == ["acme.test", "acme.org"]
    assert {record["domain"] for record in saved["dnsRecords"]} == {"acme.test", "acme.org"}


def test_several_bad_domains_are_all_named(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    control(stalwart, "create", kind="Domain", given={"name": "acme.org", "description": "theirs"})
    with pytest.raises(PermanentError) as refusal:
        ensure_mail(make_step("stalwart", domains=THREE), mail)
    assert "acme.example: Stalwart refused" in refusal.value.detail
    assert "acme.org: The domain acme.org exists" in refusal.value.detail
    assert mail_treatment(stalwart)["acme.test"] == "delivered"


def test_a_tenant_whose_only_domain_is_refused_has_none_on_record(
    mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    with pytest.raises(PermanentError, match=r"acme\.example: "):
        ensure_mail(make_step("stalwart", domains=("acme.example",)), mail)
    assert "stalwartDomains" not in saved


def test_the_records_of_a_domain_that_has_become_bad_stay_as_they_were(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    both = ("acme.test", "acme.org")
    ensure_mail(make_step("stalwart", domains=both), mail)
    patch = {"description": MarkerSigner("stalwart", STAMP_KEYS).text(OTHER_ID)}
    control(stalwart, "update", kind="Domain", id_=objects(stalwart, "Domain")[0]["id"], patch=patch)
    with pytest.raises(PermanentError, match="taken"):
        ensure_mail(make_step("stalwart", domains=both), mail)
    assert {record["domain"] for record in saved["dnsRecords"]} == set(both)


def test_keys_that_never_come_for_one_domain_keep_no_other_waiting(make_step: MakeStep, saved: Saved) -> None:
    with StalwartSimulator(api_key=API_TOKEN, dkim_delay=None).running() as slow:
        assert isinstance(slow, StalwartSimulator)
        mail = client(slow)
        with pytest.raises(TemporaryError, match="not_ready"):
            ensure_mail(make_step("stalwart", domains=("acme.test",)), mail)
        control(slow, "run_tasks")
        with pytest.raises(TemporaryError, match=r"acme\.org: The DKIM keys of acme\.org are still being made"):
            ensure_mail(make_step("stalwart", domains=("acme.org", "acme.test")), mail)
        assert {record["domain"] for record in saved["dnsRecords"]} == {"acme.test"}


@pytest.mark.parametrize("others", [0, 500])
def test_the_servers_reason_for_missing_keys_is_reported(make_step: MakeStep, others: int) -> None:
    """A request for more than 500 objects is refused, so that failed tasks are read in parts."""
    with StalwartSimulator(api_key=API_TOKEN, dkim_delay=None).running() as slow:
        assert isinstance(slow, StalwartSimulator)
        mail = client(slow)
        with pytest.raises(TemporaryError):
            ensure_mail(make_step("stalwart"), mail)
        slow.registry.objects["Task"].popitem()
        (task,) = slow.registry.objects["Task"].values()
        failed = {"@type": "Failed", "failureReason": "No entropy.", "failedAt": "2026-01-01T00:00:00Z"}
        task["status"] = failed
        other = control(slow, "create", kind="Domain", given={"name": "other.test"})["id"]
        for _ in range(others):
            slow.registry.create("Task", {"@type": "DkimManagement", "domainId": other, "status": failed})
        with pytest.raises(TemporaryError, match="last try failed: No entropy"):
            ensure_mail(make_step("stalwart"), mail)


@pytest.mark.parametrize(
    ("by_hand", "shown"),
    [
        ({"@type": "Automatic", "algorithms": {"Dkim1RsaSha256": True}, "rotateAfter": 5}, "Dkim1RsaSha256"),
        ({"@type": "Automatic", "algorithms": {"Dkim2RsaSha256": True}, "rotateAfter": 5}, "Dkim2RsaSha256"),
        ({"@type": "Manual"}, "no keys"),
    ],
)
def test_manual_dkim_is_reported_as_drift_that_a_reconcile_corrects(
    stalwart: StalwartSimulator,
    mail: StalwartClient,
    make_step: MakeStep,
    saved: Saved,
    by_hand: dict[str, Any],
    shown: str,
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    domain = saved["stalwartDomainId"]
    control(stalwart, "update", kind="Domain", id_=domain, patch={"dkimManagement": by_hand})
    for key in objects(stalwart, "DkimSignature"):
        control(stalwart, "destroy", kind="DkimSignature", id_=key["id"])
    dry_run = replace(make_step("stalwart"), is_dry_run=True)
    ensure_mail(dry_run, mail)
    assert dry_run.changes[0] == (
        f"set DKIM key management (both algorithms instead of {shown}) of the mail domain acme.test"
    )
    for _ in range(2):
        try:
            assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
        except TemporaryError as waiting:
            assert waiting.reason == "not_ready"
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    kept = objects(stalwart, "Domain")[0]["dkimManagement"]
    assert {"Dkim1Ed25519Sha256", "Dkim1RsaSha256"} <= set(kept["algorithms"])
    assert by_hand["@type"] == "Manual" or kept["rotateAfter"] == 5


# -- unexpected responses


def test_a_ban_of_our_address_is_reported_with_its_remedy(make_step: MakeStep) -> None:
    server = StalwartSimulator(api_key=API_TOKEN, failures_until_ban=3, exempts_loopback=False)
    with server.running():
        wrong = JsonClient(server.url, authorize=user_and_password("nobody@acme.test", "wrong"))
        for _ in range(4):
            assert wrong.call("GET", "/api/account").status == 401
        api = JsonClient(server.url, authorize=BearerToken(API_TOKEN), call_seconds=2.0)
        banned = StalwartClient(Jmap(api, JsonClient(server.url)), "off")
        with pytest.raises(PermanentError, match=r"banned this worker's address.*x:BlockedIp.*ReloadBlockedIps"):
            ensure_mail(make_step("stalwart"), banned)
        # another 403 is not reported as a ban
        server.registry.destroy("BlockedIp", next(iter(server.registry.objects["BlockedIp"])))
        server.admission.reload_blocked()
        server.callers.add_key(API_TOKEN, permissions=["sysDomainGet"])
        with pytest.raises(PermanentError, match="lacks the permission `authenticate`"):
            ensure_mail(make_step("stalwart"), banned)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_one_tenants_request_is_that_tenants_fault_and_not_our_accounts(
    make_step: MakeStep, stalwart: StalwartSimulator, mail: StalwartClient, status: int
) -> None:
    fault(stalwart, kind="status", status=status, contains="acme.test")
    for _ in range(2):
        with pytest.raises(PermanentError, match="this request alone") as refused:
            ensure_mail(make_step("stalwart"), mail)
        assert refused.value.reason == "missing_permission"


def test_refused_credentials_are_verified_once_as_further_sign_ins_would_have_us_banned(
    make_step: MakeStep, stalwart: StalwartSimulator, mail: StalwartClient
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    control(stalwart, "revoke_key")
    for sign_ins in (2, 1, 1):
        stalwart.journal.clear()
        with pytest.raises(PermanentError, match="bad_credentials"):
            ensure_mail(make_step("stalwart"), mail)
        assert len(stalwart.journal) == sign_ins


DEEP = '{"methodResponses": [["x:Domain/get", ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + ', "0"]]}'


@pytest.mark.parametrize("path", ["^/jmap/session", "^/api/account", "^/jmap/$"])
@pytest.mark.parametrize("body", [DEEP, '{"a": ', "[]", '"text"', "\ud800".encode("utf-8", "surrogatepass").hex()])
def test_malformed_or_too_deep_json_is_an_unexpected_answer(
    stalwart: StalwartSimulator, make_step: MakeStep, path: str, body: str
) -> None:
    ensure_mail(make_step("stalwart"), client(stalwart))
    fault(stalwart, kind="status", status=200, content_type="application/json", path=path, body=body)
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        close_mail(make_step("stalwart"), client(stalwart))


ODD: list[dict[str, Any]] = [
    {},
    {"list": None, "ids": None},
    {"list": [1], "ids": [1]},
    {"list": [{}], "ids": ["b", None]},
    {"list": [{"id": "b"}], "ids": ["b"]},
    {"list": [{"id": "b", "name": 7, "dkimManagement": []}], "ids": {}},
    {"created": [], "updated": [], "destroyed": {}, "list": 1, "ids": 1},
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("method", ["x:Domain/get", "x:Domain/query", "x:Account/get", "x:MemoryLookupKey/query"])
def test_a_response_of_another_shape_is_not_reported_as_a_bug(
    stalwart: StalwartSimulator, make_step: MakeStep, odd: dict[str, Any], method: str
) -> None:
    ensure_mail(make_step("stalwart"), client(stalwart))
    stalwart.journal.clear()
    close_mail(make_step("stalwart"), client(stalwart))
    body = next(json.loads(entry["body"]) for entry in stalwart.journal if method in entry["body"])
    answers = [[call[0], odd, call[2]] for call in body["methodCalls"]]
    fault(stalwart, kind="status", status=200, contains=method, body=json.dumps({"methodResponses": answers}))
    with suppress(TemporaryError, PermanentError):  # any other exception would be reported as a bug
        assert close_mail(make_step("stalwart"), client(stalwart)).result in (Result.OK, Result.SKIPPED)


def test_a_lasting_refusal_of_one_domain_names_what_it_refers_to_and_stops_no_other(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    """A domain that a person gave a directory of the whole server cannot move into a mail tenant."""
    both = ("acme.test", "b.test")
    ensure_mail(make_step("stalwart", domains=both), client(stalwart, "off"))
    given = {"@type": "Oidc", "description": "people", "issuerUrl": "https://id.example"}
    directory = control(stalwart, "create", kind="Directory", given=given)["id"]
    first, _ = objects(stalwart, "Domain")
    control(stalwart, "update", kind="Domain", id_=first["id"], patch={"directoryId": directory})
    for domains in (both, both[::-1]):
        with pytest.raises(PermanentError, match=rf"invalid: acme\.test: .*Directory {directory}"):
            ensure_mail(make_step("stalwart", domains=domains), client(stalwart, "require"))
        assert [bool(one["memberTenantId"]) for one in objects(stalwart, "Domain")] == [False, True]


def test_an_unreadable_zone_of_one_domain_stops_no_other_and_blames_no_server(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    both = ("acme.test", "b.test")
    ensure_mail(make_step("stalwart", domains=both[:1]), mail)
    before = saved["dnsRecords"]
    key = objects(stalwart, "DkimSignature")[0]
    stalwart.registry.objects["DkimSignature"][key["id"]]["selector"] = '"open'
    with pytest.raises(TemporaryError, match=r"acme\.test: Stalwart's zone text") as refusal:
        ensure_mail(make_step("stalwart", domains=both), mail)
    assert health_signal(failed(refusal.value)) is HealthSignal.HEALTHY
    assert [one for one in saved["dnsRecords"] if one["domain"] == "acme.test"] == before
    assert {one["domain"] for one in saved["dnsRecords"]} == set(both)
