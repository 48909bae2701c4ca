"""Check the transport and the methods of Stalwart's management that the client relies on, and pitfalls.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.jmap_calls import USING, Jmap
from tests.contracts.real_or_simulator import Server, unique


def test_a_session_without_credentials_is_a_200_without_accounts(stalwart_api: Server) -> None:
    answer = stalwart_api.caller()("GET", "/jmap/session")
    assert (answer.status_code, answer.json()["accounts"], answer.json()["username"]) == (200, {}, "")


def test_the_well_known_address_redirects_relatively(stalwart_api: Server) -> None:
    answer = stalwart_api("GET", "/.well-known/jmap")
    assert (answer.status_code, answer.headers["Location"], answer.content) == (307, "/jmap/session", b"")


def test_only_the_account_has_the_management_capability(stalwart_api: Server) -> None:
    session = stalwart_api("GET", "/jmap/session").json()
    assert "urn:stalwart:jmap" not in session["capabilities"]
    (account,) = session["accounts"].values()
    assert "urn:stalwart:jmap" in account["accountCapabilities"]


def test_the_session_of_a_key_names_the_account_that_the_key_belongs_to(jmap: Jmap) -> None:
    """Seen: "The account that our key belongs to is `primaryAccounts["urn:stalwart:jmap"]` of the session."

    Seen too: bootstrap gives an administrator, and `x:ApiKey/set` called as that account makes the key.
    """
    account, secret = jmap.key()
    session = jmap.server.caller(token=secret)("GET", "/jmap/session").json()
    assert session["primaryAccounts"]["urn:stalwart:jmap"] == account


def test_the_account_has_its_edition_and_permissions(stalwart_api: Server) -> None:
    body = stalwart_api("GET", "/api/account").json()
    assert body["edition"] in ("oss", "community", "enterprise")
    assert body["permissions"]


def test_a_request_that_is_not_jmap_is_refused_by_http(jmap: Jmap) -> None:
    unknown = jmap.send(["x:Domain/get", {"ids": []}], using=["urn:nobody"])
    assert (unknown.status_code, unknown.json()["type"]) == (400, "urn:ietf:params:jmap:error:notRequest")
    not_json = jmap.server("POST", "/jmap/", data="x", headers={"Content-Type": "text/plain"})
    assert (not_json.status_code, not_json.json()["type"]) == (400, "urn:ietf:params:jmap:error:notJSON")
    many = jmap.send(*[["x:Domain/get", {"ids": []}] for _ in range(17)])
    assert (many.status_code, many.json()["limit"]) == (400, "maxCallsInRequest")
    assert jmap.server("GET", "/api/principal").status_code == 404


def test_bad_credentials_are_a_401_with_two_challenges(stalwart_api: Server) -> None:
    answer = stalwart_api.caller(token="no")("POST", "/jmap/", json={"using": USING, "methodCalls": []})
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
def test_a_filter_on_a_field_without_index_is_refused(jmap: Jmap, kind: str, condition: dict[str, str]) -> None:
    assert jmap([f"x:{kind}/query", {"filter": condition}])["type"] == "unsupportedFilter"


def test_a_created_object_is_returned_with_its_id_only_and_without_empty_lists(jmap: Jmap) -> None:
    answer = jmap.set("Tenant", create={"k": {"name": unique("tenant")}})
    assert set(answer["created"]["k"]) == {"id"}
    assert not {"notCreated", "updated", "notUpdated", "destroyed", "notDestroyed", "newState"} & set(answer)
    jmap.set("Tenant", destroy=[answer["created"]["k"]["id"]])


def test_two_tenants_may_have_one_name(jmap: Jmap) -> None:
    name = unique("twin")
    assert jmap.create("Tenant", name=name) != jmap.create("Tenant", name=name)


def test_a_tenant_is_found_by_one_word_of_its_name(jmap: Jmap) -> None:
    token = unique("w").replace("-", "")
    tenant = jmap.create("Tenant", name=f"Acme {token}")
    assert tenant in jmap.ids("Tenant", text=token)


def test_sets_are_objects_and_arrays_are_refused(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    error = jmap.set("Domain", update={domain: {"aliases": ["a.test"]}})["notUpdated"][domain]
    assert error["type"] == "invalidPatch"
    assert jmap.set("Domain", update={domain: {"description": "changed"}})["updated"] == {domain: None}


def test_an_id_that_does_not_parse_is_in_no_list_of_the_answer(jmap: Jmap) -> None:
    answer = jmap.set("Domain", update={"not-an-id-4568": {"description": "x"}}, destroy=["5-8"])
    assert not {"updated", "notUpdated", "destroyed", "notDestroyed"} & set(answer)


def test_a_creation_reference_in_a_destroy_is_dropped_silently(jmap: Jmap) -> None:
    """Seen: `destroy:["#k"]` (creation reference) is dropped silently."""
    name = f"{unique('contract')}.test"
    answer = jmap.set("Domain", create={"k": {"name": name, "dkimManagement": {"@type": "Manual"}}}, destroy=["#k"])
    jmap.made("Domain", answer["created"]["k"]["id"])
    assert not {"destroyed", "notDestroyed"} & set(answer)
    assert jmap.ids("Domain", name=name) == [answer["created"]["k"]["id"]]


def test_an_unknown_id_is_not_found(jmap: Jmap) -> None:
    answer = jmap.set("Domain", update={"zzzzzz": {"description": "x"}}, destroy=["zzzzzy"])
    assert answer["notUpdated"]["zzzzzz"]["type"] == answer["notDestroyed"]["zzzzzy"]["type"] == "notFound"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "acme.test", "id": "b"}, "invalidPatch"),
        ({"name": "acme.test", "nothing": 1}, "invalidPatch"),
        ({"name": "acme.test", "createdAt": "2026-01-01T00:00:00Z"}, "invalidPatch"),
        ({"name": "acme.test", "description": ""}, "invalidPatch"),
        ({"name": "acme.test", "memberTenantId": ""}, "invalidForeignKey"),
        ({"description": "x"}, "validationFailed"),
        ({"name": "acme.test", "dkimManagement": {}}, "invalidPatch"),
    ],
)
def test_a_bad_object_is_refused_by_kind(jmap: Jmap, fields: dict[str, Any], expected: str) -> None:
    """Seen: `""` for a nullable text is `invalidPatch` "Invalid value for property."; for an id `invalidForeignKey`."""
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


def test_a_request_refers_to_its_new_objects_by_creation_id(jmap: Jmap) -> None:
    name = f"{unique('contract')}.test"
    group = {"@type": "Group", "name": "team", "domainId": "#d", "aliases": {"0": {"name": "crew", "domainId": "#d"}}}
    read = jmap(
        ["x:Domain/set", {"create": {"d": {"name": name, "dkimManagement": {"@type": "Manual"}}}}],
        ["x:Account/set", {"create": {"g": group}}],
        ["x:Account/get", {"ids": ["#g"], "properties": ["id", "domainId", "emailAddress"]}],
    )
    (team,) = read["list"]
    jmap.made("Domain", team["domainId"]), jmap.made("Account", team["id"])
    assert team["emailAddress"] == f"team@{name}"


def test_one_reference_to_nothing_fails_the_whole_method(jmap: Jmap) -> None:
    name = f"{unique('contract')}.test"
    answer = jmap.set("Domain", create={"a": {"name": name}, "b": {"name": f"b.{name}", "memberTenantId": "#none"}})
    assert answer["type"] == "invalidResultReference"
    assert jmap.ids("Domain", name=name) == []


def test_an_object_cannot_be_changed_and_destroyed_at_once(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    answer = jmap.set("Domain", update={domain: {"description": "x"}}, destroy=[domain])
    assert answer["notUpdated"][domain]["type"] == "willDestroy"
    assert answer["destroyed"] == [domain]


def test_an_unknown_property_gives_all_of_them_and_a_known_one_only_itself(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    assert {"name", "dnsZoneFile", "createdAt"} <= set(jmap.get("Domain", domain, "nothing"))
    assert set(jmap.get("Domain", domain, "nothing", "name")) == {"id", "name"}


def test_the_type_is_returned_only_on_request(jmap: Jmap) -> None:
    """Seen: with `properties` named, `@type` comes only when asked for by name."""
    account = jmap.user(jmap.domain()[1])
    assert "@type" not in jmap.get("Account", account, "name")
    assert jmap.get("Account", account, "name", "@type")["@type"] == "User"
    assert jmap.get("Account", account)["@type"] == "User"


def test_a_query_returns_the_newest_first_and_the_total_on_request(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    domains = [jmap.domain(memberTenantId=tenant)[1] for _ in range(3)]
    found = jmap(["x:Domain/query", {"filter": {"memberTenantId": tenant}, "calculateTotal": True}])
    assert (found["ids"], found["total"]) == (domains[::-1], 3)
    both = {"operator": "AND", "conditions": [{"memberTenantId": tenant}]}
    assert jmap(["x:Domain/query", {"filter": both}])["ids"] == domains[::-1]
    either = {"operator": "OR", "conditions": [{"memberTenantId": tenant}]}
    assert jmap(["x:Domain/query", {"filter": either}])["type"] == "unsupportedFilter"


def test_a_limited_query_returns_the_oldest_and_continues_at_an_anchor(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    domains = [jmap.domain(memberTenantId=tenant)[1] for _ in range(5)]
    query: dict[str, Any] = {"filter": {"memberTenantId": tenant}, "limit": 2}
    assert jmap(["x:Domain/query", query])["ids"] == domains[1::-1]
    assert jmap(["x:Domain/query", {**query, "anchor": domains[1]}])["ids"] == domains[3:1:-1]
    assert jmap(["x:Domain/query", {**query, "anchor": domains[3]}])["ids"] == [domains[4]]
    assert jmap(["x:Domain/query", {**query, "anchor": domains[4]}])["ids"] == []
    assert jmap(["x:Domain/query", {"anchor": domains[3], "limit": 1}])["ids"] == [domains[4]]


def test_one_id_may_be_a_tenant_a_domain_and_an_account_at_once(jmap: Jmap) -> None:
    unknown = "2222222"
    for kind in ("Tenant", "Domain", "Account", "MailingList", "Role", "DkimSignature"):
        assert jmap([f"x:{kind}/get", {"ids": [unknown]}])["notFound"] == [unknown]


def test_more_than_five_hundred_objects_are_too_many(jmap: Jmap) -> None:
    assert jmap(["x:Domain/get", {"ids": ["b"] * 501}])["type"] == "requestTooLarge"
    assert jmap.set("Domain", destroy=["2222222"] * 501)["type"] == "requestTooLarge"


def test_settings_are_one_object_and_an_action_is_never_found(jmap: Jmap) -> None:
    assert jmap.get("SystemSettings", "singleton", "defaultHostname")["defaultHostname"]
    assert jmap.destroy("SystemSettings", "singleton")["type"] == "singleton"
    assert jmap(["x:SystemSettings/query", {}])["type"] == "unknownMethod"
    done = jmap.set("Action", create={"k": {"@type": "ReloadLookupStores"}})["created"]["k"]["id"]
    assert jmap(["x:Action/get", {"ids": [done]}])["list"] == []


def test_a_reload_of_settings_succeeds_or_names_the_object_that_does_not_build(jmap: Jmap) -> None:
    """Seen: ReloadSettings is `notCreated validationFailed` naming another object (SpamPyzor) when a setting does
    not build.
    """
    answer = jmap.set("Action", create={"k": {"@type": "ReloadSettings"}})
    if "created" not in answer:
        assert answer["notCreated"]["k"]["type"] == "validationFailed"
        assert answer["notCreated"]["k"]["objectId"]["object"] != "Action"
