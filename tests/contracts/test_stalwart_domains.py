"""Check Stalwart's domains: names, DKIM keys, the records to publish.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.rdatatype
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.contracts.jmap_calls import USING, Jmap
from tests.contracts.real_or_simulator import unique


def test_a_domain_is_stored_and_found_only_in_its_canonical_form(jmap: Jmap) -> None:
    name = f"{unique('Mixed')}.test"
    jmap.create("Domain", name=name, dkimManagement={"@type": "Manual"})
    assert len(jmap.ids("Domain", name=name.lower())) == 1
    assert jmap.ids("Domain", name=name) == []


def test_a_domain_outside_the_suffix_list_is_refused(jmap: Jmap) -> None:
    answer = jmap.set("Domain", create={"k": {"name": f"{unique('x')}.example"}})
    assert answer["notCreated"]["k"]["type"] == "invalidPatch"


def test_a_second_domain_of_a_name_or_alias_names_the_holder(jmap: Jmap) -> None:
    alias = f"{unique('alias')}.test"
    name, holder = jmap.domain(aliases={alias: True})
    for taken in (name, alias):
        error = jmap.set("Domain", create={"k": {"name": taken}})["notCreated"]["k"]
        assert (error["type"], error["objectId"]) == ("primaryKeyViolation", {"object": "Domain", "id": holder})


def test_one_of_many_concurrent_domain_creates_wins_and_the_others_get_an_error(jmap: Jmap) -> None:
    """Seen: 34 of 35 losers primaryKeyViolation, 1 `{"type":"serverUnavailable","description":"This server is
    temporarily unavailable. Attempting this same operation later may succeed."}`.
    """
    name = f"{unique('race')}.test"
    body = {"using": USING, "methodCalls": [["x:Domain/set", {"create": {"k": {"name": name}}}, "0"]]}

    def create(_: int) -> Any:
        return jmap.server("POST", "/jmap/", json=body).json()["methodResponses"][0]

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(create, range(3)))
    losers = [answer[1] for answer in answers if "created" not in answer[1]]
    assert len(losers) == 2
    for loser in losers:
        if loser.get("type") == "serverUnavailable":
            assert loser["description"].startswith("This server is temporarily unavailable.")
        else:
            assert loser["notCreated"]["k"]["type"] == "primaryKeyViolation"
    (id_,) = jmap.ids("Domain", name=name)
    jmap.made("Domain", id_)


def test_keys_of_both_kinds_are_created_later_and_appear_in_the_zone(jmap: Jmap) -> None:
    algorithms = {"Dkim1Ed25519Sha256": True, "Dkim1RsaSha256": True}
    name, domain = jmap.domain(dkimManagement={"@type": "Automatic", "algorithms": algorithms})
    deadline = time.monotonic() + 20
    while len(jmap.ids("DkimSignature", domainId=domain)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    signatures = jmap(
        ["x:DkimSignature/get", {"ids": jmap.ids("DkimSignature", domainId=domain), "properties": ["@type", "stage"]}]
    )["list"]
    assert {(one["@type"], one["stage"]) for one in signatures} == {(kind, "active") for kind in algorithms}
    text = jmap(["x:Domain/get", {"ids": [domain], "properties": ["dnsZoneFile"]}])["list"][0]["dnsZoneFile"]
    zone = dns.zone.from_text(f"$TTL 3600\n{text}", origin=f"{name}.", relativize=False, check_origin=False)
    owners = [owner.to_text() for owner in zone]
    assert sum("._domainkey." in owner for owner in owners) == 2
    assert f"_dmarc.{name}." in owners


@pytest.mark.parametrize("name", ["x..test", "*.x.test", "1.2.3.4", "x.test."])
def test_a_malformed_name_is_refused(jmap: Jmap, name: str) -> None:
    """Seen: also refused: `x..test`, `*.x.test`, `1.2.3.4`, `x.test.`."""
    assert jmap.refusal("Domain", name=name)["type"] == "invalidPatch"


@pytest.mark.parametrize("name", ["-{}.test", "a_{}.test", "xn--.{}.test", f"{'x' * 70}.{{}}.test", "{}.onion"])
def test_labels_are_not_checked_any_further(jmap: Jmap, name: str) -> None:
    """Seen: passes: `-x.test`, `a_b.test`, `xn--.test`, a 70-byte label, `x.onion`."""
    jmap.create("Domain", name=name.format(unique("x")), dkimManagement={"@type": "Manual"})


def test_a_domain_with_one_algorithm_gets_one_key_and_never_the_other(jmap: Jmap) -> None:
    """Seen: a domain set by hand to one DKIM algorithm has one key for good; DKIM keys came in 0.35 s."""
    _, domain = jmap.domain(dkimManagement={"@type": "Automatic", "algorithms": {"Dkim1RsaSha256": True}})
    deadline = time.monotonic() + 20
    while not jmap.ids("DkimSignature", domainId=domain):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    assert len(jmap.ids("DkimSignature", domainId=domain)) == 1


def test_a_domain_moves_to_a_tenant_and_its_accounts_stay_outside_until_they_are_moved(jmap: Jmap) -> None:
    """Seen: moving a domain passes; accounts and keys stay outside."""
    tenant = jmap.create("Tenant", name=unique("tenant"))
    _, domain = jmap.domain()
    account = jmap.user(domain)
    assert jmap.change("Domain", domain, memberTenantId=tenant) is None
    assert jmap.get("Account", account, "memberTenantId").get("memberTenantId") is None
    assert jmap.change("Account", account, memberTenantId=tenant) is None
    assert jmap.get("Account", account, "memberTenantId")["memberTenantId"] == tenant
    # a tenant cannot be destroyed before its domain, so the domain goes first
    assert [jmap.destroy("Account", account), jmap.destroy("Domain", domain)] == [None, None]


def test_disabling_and_enabling_a_domain_keeps_the_other_fields(jmap: Jmap) -> None:
    name, domain = jmap.domain(description="ours")
    for enabled in (False, False, True):
        assert jmap.change("Domain", domain, isEnabled=enabled) is None
        shown = jmap.get("Domain", domain, "name", "isEnabled", "description")
        assert shown == {"id": domain, "name": name, "isEnabled": enabled, "description": "ours"}


def test_aliases_are_added_and_removed_by_their_index(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    first, second = f"{unique('alias')}.test", f"{unique('alias')}.test"
    for place, value, expected in [
        (f"aliases/{first}", True, {first}),
        (f"aliases/{second}", True, {first, second}),
        (f"aliases/{first}", None, {second}),
    ]:
        assert jmap.change("Domain", domain, **{place: value}) is None
        assert set(jmap.get("Domain", domain, "aliases")["aliases"]) == expected
    assert jmap.create("Domain", name=first, dkimManagement={"@type": "Manual"})


def test_a_text_may_be_reset_to_null(jmap: Jmap) -> None:
    _, domain = jmap.domain(description="ours", catchAllAddress="anna@acme.test")
    for name in ("description", "catchAllAddress", "reportAddressUri"):
        assert jmap.change("Domain", domain, **{name: None}) is None
        assert jmap.get("Domain", domain, name).get(name) is None


def test_a_new_name_changes_every_address(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    account = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    renamed = f"{unique('renamed')}.test"
    assert jmap.change("Domain", domain, name=renamed) is None
    assert jmap.get("Account", account, "emailAddress")["emailAddress"] == f"team@{renamed}"


def test_a_domain_may_not_belong_to_an_unknown_tenant(jmap: Jmap) -> None:
    error = jmap.refusal("Domain", name=f"{unique('x')}.test", memberTenantId="2222222")
    assert (error["type"], error["objectId"]) == ("invalidForeignKey", {"object": "Tenant", "id": "2222222"})


def test_a_domain_whose_keys_are_managed_by_hand_gets_none_and_its_task_fails(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    task = jmap.create("Task", **{"@type": "DkimManagement"}, domainId=domain, status={"@type": "Pending"})
    deadline = time.monotonic() + 20
    while task not in jmap.ids("Task", **{"@type": "DkimManagement", "status": "Failed"}):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    failed = jmap.get("Task", task, "domainId", "status")
    assert (failed["domainId"], bool(failed["status"]["failureReason"])) == (domain, True)
    assert jmap.ids("DkimSignature", domainId=domain) == []


def test_an_own_key_is_checked_masked_and_published_and_its_selector_is_not_unique(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    body = {"@type": "Dkim1Ed25519Sha256", "domainId": domain, "selector": "own"}
    for secret in ("no key", "****"):
        error = jmap.refusal("DkimSignature", **body, privateKey={"@type": "Text", "secret": secret})
        assert error["type"] == "invalidProperties"
    pair = [jmap.create("DkimSignature", **body, privateKey={"@type": "Text", "secret": pem}) for _ in range(2)]
    shown = jmap.get("DkimSignature", pair[0], "stage", "privateKey", "publicKey")
    assert (shown["stage"], shown["privateKey"]["secret"]) == ("active", "****")
    assert jmap.change("DkimSignature", pair[0], stage="retired") is None
    zone = jmap.get("Domain", domain, "dnsZoneFile")["dnsZoneFile"]
    assert zone.count(f"own._domainkey.{name}. IN TXT") == 2
    assert shown["publicKey"] in zone


def test_the_zone_text_has_all_that_is_to_be_published_in_absolute_names(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    host = jmap.get("SystemSettings", "singleton", "defaultHostname")["defaultHostname"]
    text = jmap.get("Domain", domain, "dnsZoneFile")["dnsZoneFile"]
    assert not {"$TTL", "$ORIGIN", "_domainkey"} & set(re.split(r"[\s.]", text))
    zone = dns.zone.from_text(f"$TTL 3600\n{text}", origin=f"{name}.", relativize=False, check_origin=False)
    records = {(owner.to_text(), dns.rdatatype.to_text(data.rdtype)) for owner, _, data in zone.iterate_rdatas()}
    assert records >= {
        (f"{name}.", "TXT"),
        (f"{name}.", "MX"),
        (f"_dmarc.{name}.", "TXT"),
        (f"_imaps._tcp.{name}.", "SRV"),
        (f"_jmap._tcp.{name}.", "SRV"),
        (f"_submissions._tcp.{name}.", "SRV"),
        (f"mta-sts.{name}.", "CNAME"),
        (f"_mta-sts.{name}.", "TXT"),
        (f"_smtp._tls.{name}.", "TXT"),
        (f"autoconfig.{name}.", "CNAME"),
        (f"autodiscover.{name}.", "CNAME"),
    }
    assert host in {data.to_text().split()[1].rstrip(".") for _, _, data in zone.iterate_rdatas("MX")}


def test_a_name_in_use_with_an_unknown_tenant_is_refused_for_either(jmap: Jmap) -> None:
    """Seen: "both-violations random"."""
    name, _ = jmap.domain()
    types = {jmap.refusal("Domain", name=name, memberTenantId="zzz")["type"] for _ in range(12)}
    assert types <= {"primaryKeyViolation", "invalidForeignKey"}
