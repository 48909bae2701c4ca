"""What our client relies on in Stalwart's management, and its traps.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.zone
import pytest
import requests

from sandbox.stand_ins.stalwart.server import StalwartStandIn
from tests.contracts.real_or_stand_in import Server, real_server, unique

USING = ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"]


class Jmap:
    """Calls, and what they made, so that it can be taken away again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._made: list[tuple[str, str]] = []

    def send(self, *calls: list[Any], using: list[str] | None = None) -> requests.Response:
        body = {"using": using or USING, "methodCalls": [[*call, str(n)] for n, call in enumerate(calls)]}
        return self.server("POST", "/jmap/", json=body)

    def __call__(self, *calls: list[Any]) -> Any:
        """The arguments of the last method's answer."""
        answer = self.send(*calls)
        assert answer.status_code == 200, answer.text
        return answer.json()["methodResponses"][-1][1]

    def set(self, kind: str, **arguments: Any) -> Any:
        return self([f"x:{kind}/set", arguments])

    def create(self, kind: str, **fields: Any) -> str:
        answer = self.set(kind, create={"k": fields})
        assert "created" in answer, answer
        self._made.append((kind, answer["created"]["k"]["id"]))
        return self._made[-1][1]

    def domain(self, **fields: Any) -> tuple[str, str]:
        name = f"{unique('contract')}.test"
        return name, self.create("Domain", name=name, **{"dkimManagement": {"@type": "Manual"}, **fields})

    def ids(self, kind: str, **conditions: Any) -> list[str]:
        found: list[str] = self([f"x:{kind}/query", {"filter": conditions}])["ids"]
        return found

    def clean(self) -> None:
        for _ in range(3):
            for kind, id_ in reversed(self._made):
                if kind == "Domain":
                    for signature in self.ids("DkimSignature", domainId=id_):
                        self.set("DkimSignature", destroy=[signature])
                self.set(kind, destroy=[id_])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    real = real_server("STALWART")
    if real is not None:
        yield real
        return
    with StalwartStandIn(api_key="API_contract", dkim_delay=0.1).running() as stand_in:
        yield Server(stand_in.url, token="API_contract")


@pytest.fixture
def jmap(server: Server) -> Iterator[Jmap]:
    made = Jmap(server)
    yield made
    made.clean()


def test_a_session_without_credentials_is_a_200_for_nobody(server: Server) -> None:
    answer = requests.get(f"{server.url}/jmap/session", timeout=30)
    assert (answer.status_code, answer.json()["accounts"], answer.json()["username"]) == (200, {}, "")


def test_the_well_known_address_redirects_relatively(server: Server) -> None:
    answer = server("GET", "/.well-known/jmap")
    assert (answer.status_code, answer.headers["Location"], answer.content) == (307, "/jmap/session", b"")


def test_the_management_capability_stands_in_the_account_only(server: Server) -> None:
    session = server("GET", "/jmap/session").json()
    assert "urn:stalwart:jmap" not in session["capabilities"]
    (account,) = session["accounts"].values()
    assert "urn:stalwart:jmap" in account["accountCapabilities"]


def test_the_account_tells_its_edition_and_permissions(server: Server) -> None:
    body = server("GET", "/api/account").json()
    assert body["edition"] in ("oss", "community", "enterprise")
    assert body["permissions"]


def test_what_is_not_jmap_is_refused_by_http(jmap: Jmap) -> None:
    unknown = jmap.send(["x:Domain/get", {"ids": []}], using=["urn:nobody"])
    assert (unknown.status_code, unknown.json()["type"]) == (400, "urn:ietf:params:jmap:error:notRequest")
    not_json = jmap.server("POST", "/jmap/", data="x", headers={"Content-Type": "text/plain"})
    assert (not_json.status_code, not_json.json()["type"]) == (400, "urn:ietf:params:jmap:error:notJSON")
    many = jmap.send(*[["x:Domain/get", {"ids": []}] for _ in range(17)])
    assert (many.status_code, many.json()["limit"]) == (400, "maxCallsInRequest")
    assert jmap.server("GET", "/api/principal").status_code == 404


def test_bad_credentials_are_a_401_with_two_challenges(server: Server) -> None:
    body, headers = {"using": USING, "methodCalls": []}, {"Authorization": "Bearer no"}
    answer = requests.post(f"{server.url}/jmap/", json=body, headers=headers, timeout=30)
    assert answer.status_code == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]
    assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_a_method_that_fails_is_still_a_200(jmap: Jmap) -> None:
    answer = jmap.send(["x:Nothing/get", {}])
    name, error, _ = answer.json()["methodResponses"][0]
    assert (answer.status_code, name, error["type"]) == (200, "error", "unknownMethod")


@pytest.mark.parametrize(
    ("kind", "condition"),
    [("Tenant", {"name": "x"}), ("MailingList", {"domainId": "b"}), ("DkimSignature", {"selector": "x"})],
)
def test_a_filter_on_what_is_not_indexed_is_refused(jmap: Jmap, kind: str, condition: dict[str, str]) -> None:
    assert jmap([f"x:{kind}/query", {"filter": condition}])["type"] == "unsupportedFilter"


def test_a_created_object_comes_back_with_its_id_only_and_empty_lists_do_not_come_at_all(jmap: Jmap) -> None:
    answer = jmap.set("Tenant", create={"k": {"name": unique("tenant")}})
    assert set(answer["created"]["k"]) == {"id"}
    assert not {"notCreated", "updated", "notUpdated", "destroyed", "notDestroyed", "newState"} & set(answer)
    jmap.set("Tenant", destroy=[answer["created"]["k"]["id"]])


def test_two_tenants_may_have_one_name(jmap: Jmap) -> None:
    name = unique("twin")
    assert jmap.create("Tenant", name=name) != jmap.create("Tenant", name=name)


def test_a_tenant_is_found_by_a_word_of_its_name(jmap: Jmap) -> None:
    token = unique("w").replace("-", "")
    tenant = jmap.create("Tenant", name=f"Acme {token}")
    assert tenant in jmap.ids("Tenant", text=token)


def test_a_domain_is_stored_in_its_canonical_form_and_asked_for_in_that_only(jmap: Jmap) -> None:
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


def test_of_two_creates_at_once_one_domain_comes_out(jmap: Jmap) -> None:
    name = f"{unique('race')}.test"
    body = {"using": USING, "methodCalls": [["x:Domain/set", {"create": {"k": {"name": name}}}, "0"]]}
    headers, auth = dict(jmap.server.session.headers), jmap.server.session.auth

    def create(_: int) -> Any:
        url = f"{jmap.server.url}/jmap/"
        return requests.post(url, json=body, headers=headers, auth=auth, timeout=30).json()["methodResponses"][0]

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(create, range(3)))
    assert sum("created" in answer[1] for answer in answers) == 1
    (id_,) = jmap.ids("Domain", name=name)
    jmap._made.append(("Domain", id_))


def test_sets_are_objects_and_arrays_are_refused(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    error = jmap.set("Domain", update={domain: {"aliases": ["a.test"]}})["notUpdated"][domain]
    assert error["type"] == "invalidPatch"
    assert jmap.set("Domain", update={domain: {"description": "changed"}})["updated"] == {domain: None}


def test_an_id_that_does_not_parse_is_in_no_list_of_the_answer(jmap: Jmap) -> None:
    answer = jmap.set("Domain", update={"not-an-id-4568": {"description": "x"}}, destroy=["5-8"])
    assert not {"updated", "notUpdated", "destroyed", "notDestroyed"} & set(answer)


def test_an_unknown_id_is_not_found(jmap: Jmap) -> None:
    answer = jmap.set("Domain", update={"zzzzzz": {"description": "x"}}, destroy=["zzzzzy"])
    assert answer["notUpdated"]["zzzzzz"]["type"] == answer["notDestroyed"]["zzzzzy"]["type"] == "notFound"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "acme.test", "id": "b"}, "invalidPatch"),
        ({"name": "acme.test", "nothing": 1}, "invalidPatch"),
        ({"name": "acme.test", "createdAt": "2026-01-01T00:00:00Z"}, "invalidPatch"),
        ({"name": "acme.test", "description": ""}, "validationFailed"),
        ({"description": "x"}, "validationFailed"),
        ({"name": "acme.test", "dkimManagement": {}}, "invalidPatch"),
    ],
)
def test_a_bad_object_is_refused_by_kind(jmap: Jmap, fields: dict[str, Any], expected: str) -> None:
    fields = fields | ({"name": f"{unique('bad')}.test"} if "name" in fields else {})
    assert jmap.set("Domain", create={"k": fields})["notCreated"]["k"]["type"] == expected


def test_back_references_join_a_query_and_a_get(jmap: Jmap) -> None:
    name, domain = jmap.domain(description="mine")
    found = jmap(
        ["x:Domain/query", {"filter": {"name": name}}],
        [
            "x:Domain/get",
            {
                "#ids": {"resultOf": "0", "name": "x:Domain/query", "path": "/ids"},
                "properties": ["id", "name", "description"],
            },
        ],
    )
    assert found["list"] == [{"id": domain, "name": name, "description": "mine"}]


def test_a_tenants_object_may_not_use_a_foreign_domain_but_a_stray_account_is_let_in(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    _, free = jmap.domain()
    _, owned = jmap.domain(memberTenantId=tenant)
    group = {"@type": "Group", "name": "team"}
    refused = jmap.set("Account", create={"k": {**group, "domainId": free, "memberTenantId": tenant}})
    assert refused["notCreated"]["k"]["type"] == "invalidForeignKey"
    assert jmap.create("Account", **group, domainId=owned)


def test_an_address_is_one_for_accounts_lists_and_aliases(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    aliases = {"0": {"name": "abuse", "domainId": domain}}
    account = jmap.create("Account", **{"@type": "Group"}, name="postmaster", domainId=domain, aliases=aliases)
    assert jmap.ids("Account", name="postmaster", domainId=domain) == [account]
    assert jmap.ids("Account", name="abuse", domainId=domain) == []
    for name in ("postmaster", "abuse"):
        error = jmap.set("MailingList", create={"k": {"name": name, "domainId": domain}})["notCreated"]["k"]
        assert (error["type"], error["objectId"]) == ("primaryKeyViolation", {"object": "Account", "id": account})


def test_keys_of_both_kinds_come_later_and_stand_in_the_zone(jmap: Jmap) -> None:
    algorithms = {"Dkim1Ed25519Sha256": True, "Dkim1RsaSha256": True}
    name, domain = jmap.domain(dkimManagement={"@type": "Automatic", "algorithms": algorithms})
    give_up = time.monotonic() + 20
    while len(jmap.ids("DkimSignature", domainId=domain)) < 2:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    signatures = jmap(
        ["x:DkimSignature/get", {"ids": jmap.ids("DkimSignature", domainId=domain), "properties": ["stage"]}]
    )["list"]
    assert {(one["@type"], one["stage"]) for one in signatures} == {(kind, "active") for kind in algorithms}
    text = jmap(["x:Domain/get", {"ids": [domain], "properties": ["dnsZoneFile"]}])["list"][0]["dnsZoneFile"]
    zone = dns.zone.from_text(f"$TTL 3600\n{text}", origin=f"{name}.", relativize=False, check_origin=False)
    owners = [owner.to_text() for owner in zone]
    assert sum("._domainkey." in owner for owner in owners) == 2
    assert f"_dmarc.{name}." in owners


def test_a_domain_goes_only_when_nothing_refers_to_it_and_goes_once(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    account = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    error = jmap.set("Domain", destroy=[domain])["notDestroyed"][domain]
    assert error["type"] == "objectIsLinked"
    assert {"object": "Account", "id": account} in error["linkedObjects"]
    assert jmap.set("Account", destroy=[account])["destroyed"] == [account]
    assert jmap.set("Domain", destroy=[domain])["destroyed"] == [domain]
    assert jmap.set("Domain", destroy=[domain])["notDestroyed"][domain]["type"] == "notFound"
