"""Check Stalwart's accounts, groups, lists and roles: addresses, passwords, permissions, tenants.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.contracts.jmap_calls import STRONG, USING, Jmap, password
from tests.contracts.real_or_simulator import unique


def sign_in(jmap: Jmap, address: str, secret: str) -> requests.Response:
    return jmap.server.caller(basic=(address, secret))("GET", "/api/account")


def permissions(jmap: Jmap, address: str, secret: str) -> list[str]:
    answer = sign_in(jmap, address, secret)
    assert answer.status_code == 200, answer.text
    held: list[str] = answer.json()["permissions"]
    return held


def test_a_tenants_object_may_not_use_a_foreign_domain_but_an_account_without_tenant_may(jmap: Jmap) -> None:
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


def test_a_new_account_has_its_address_and_the_defaults_of_its_type(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    anna = jmap.get("Account", jmap.user(domain), "@type", "emailAddress", "roles", "credentials", "memberGroupIds")
    team = jmap.get("Account", jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain))
    assert (anna["emailAddress"], anna["@type"], anna["roles"]) == (f"anna@{name}", "User", {"@type": "User"})
    assert (team["emailAddress"], team["@type"], team["roles"]) == (f"team@{name}", "Group", {"@type": "Default"})
    assert not {"credentials", "memberGroupIds"} & set(team)


def test_the_local_part_is_normalised_and_found_only_in_that_form(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    account = jmap.user(domain, " An Na ")
    assert jmap.ids("Account", name="anna", domainId=domain) == [account]
    assert jmap.ids("Account", name="Anna", domainId=domain) == []
    assert jmap(["x:Account/query", {"filter": {"emailAddress": "x"}}])["type"] == "unsupportedFilter"


@pytest.mark.parametrize(
    "fields",
    [
        {"@type": None},
        {"@type": "Robot"},
        {"@type": "Group", "credentials": {}},
        {"emailAddress": "x@acme.test"},
        {"isEnabled": False},
        {"quotas": {"maxDiskQuota": "many"}},
        {"memberGroupIds": ["b"]},
        {"roles": {"@type": "Emperor"}},
    ],
)
def test_a_malformed_account_is_an_invalid_patch(jmap: Jmap, fields: dict[str, Any]) -> None:
    _, domain = jmap.domain()
    body = {"@type": "User", "name": "anna", "domainId": domain, **fields}
    assert jmap.refusal("Account", **{key: value for key, value in body.items() if value is not None})["type"] == (
        "invalidPatch"
    )


@pytest.mark.parametrize("secret", ["short", "aaaaaaaaaaaa", "x" * 129])
def test_a_weak_password_is_refused(jmap: Jmap, secret: str) -> None:
    _, domain = jmap.domain()
    body = {"@type": "User", "name": "anna", "domainId": domain, "credentials": password(secret)}
    error = jmap.refusal("Account", **body)
    assert (error["type"], error["properties"]) == ("invalidProperties", ["secret"])


def test_a_password_is_masked_and_writing_its_mask_keeps_it(jmap: Jmap) -> None:
    """Seen: credentials sent back whole are `invalidPatch` "Cannot modify server set property"
    ["credentials/credentialId"]; without credentialId the mask is taken for a password: `invalidProperties`
    ["secret"]. Only the pointer form `credentials/0/secret: "****"` keeps the old one.
    """
    name, domain = jmap.domain()
    anna = jmap.user(domain, credentials=password(STRONG))
    shown = jmap.get("Account", anna, "credentials")["credentials"]
    assert shown["0"]["secret"] == "****"
    error = jmap.change("Account", anna, credentials=shown)
    assert (error["type"], error["properties"]) == ("invalidPatch", ["credentials/credentialId"])
    bare = {"0": {"@type": "Password", "secret": "****"}}
    error = jmap.change("Account", anna, credentials=bare)
    assert (error["type"], error["properties"]) == ("invalidProperties", ["secret"])
    assert jmap.change("Account", anna, credentials__0__secret="****") is None
    assert permissions(jmap, f"anna@{name}", STRONG)
    assert jmap.change("Account", anna, credentials__0__secret=STRONG[::-1]) is None
    assert permissions(jmap, f"anna@{name}", STRONG[::-1])


def test_the_type_of_an_account_never_changes(jmap: Jmap) -> None:
    """Seen: `invalidProperties` "Cannot change the type of an existing account." ["@type"]."""
    error = jmap.change("Account", jmap.user(jmap.domain()[1]), **{"@type": "Group"})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["@type"])


def test_the_remaining_aliases_are_renumbered(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    aliases = {str(n): {"name": name, "domainId": domain} for n, name in enumerate(("abuse", "info"))}
    anna = jmap.user(domain, aliases=aliases)
    assert jmap.change("Account", anna, aliases__0=None) is None
    left = jmap.get("Account", anna, "aliases")["aliases"]
    assert [(key, one["name"], one["enabled"]) for key, one in left.items()] == [("0", "info", True)]
    assert jmap.create("MailingList", name="abuse", domainId=domain)


def test_users_are_in_groups_and_found_by_them(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    team = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    anna = jmap.user(domain, memberGroupIds={team: True})
    jmap.user(domain, "bert")
    assert jmap.ids("Account", memberGroupIds=team) == [anna]
    assert jmap.change("Account", anna, **{f"memberGroupIds/{team}": None}) is None
    assert jmap.ids("Account", memberGroupIds=team) == []


def test_recipients_of_a_list_can_be_added_and_removed(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    everybody = jmap.create(
        "MailingList", name="all", domainId=domain, recipients={f"anna@{name}": True, f"bert@{name}": True}
    )
    assert jmap.change("MailingList", everybody, **{f"recipients/anna@{name}": None}) is None
    shown = jmap.get("MailingList", everybody, "emailAddress", "recipients")
    assert (shown["emailAddress"], shown["recipients"]) == (f"all@{name}", {f"bert@{name}": True})


def test_an_account_is_refused_while_it_lacks_the_permission_to_sign_in(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    anna = jmap.user(domain, credentials=password(STRONG))
    assert "authenticate" in permissions(jmap, f"anna@{name}", STRONG)
    taken = {"@type": "Merge", "disabledPermissions": {"authenticate": True}}
    assert jmap.change("Account", anna, permissions=taken) is None
    assert sign_in(jmap, f"anna@{name}", STRONG).status_code == 403
    assert jmap.change("Account", anna, permissions={"@type": "Inherit"}) is None
    assert "authenticate" in permissions(jmap, f"anna@{name}", STRONG)


def test_an_account_without_credentials_cannot_sign_in_by_password(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    jmap.user(domain)
    assert sign_in(jmap, f"anna@{name}", "****").status_code == 401


def test_a_role_gives_its_enabled_minus_its_disabled_permissions(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    below = jmap.create("Role", description="below", enabledPermissions={"authenticate": True, "emailSend": True})
    role = jmap.create("Role", description="above", roleIds={below: True}, disabledPermissions={"emailSend": True})
    roles = {"@type": "Custom", "roleIds": {role: True}}
    jmap.user(domain, credentials=password(STRONG), roles=roles)
    held = permissions(jmap, f"anna@{name}", STRONG)
    assert ("authenticate" in held, "emailSend" in held) == (True, False)
    assert jmap.refusal("Role", enabledPermissions={})["type"] == "validationFailed"


def test_a_server_has_four_roles_of_its_own_without_a_tenant(jmap: Jmap) -> None:
    roles = jmap(["x:Role/get", {"properties": ["description", "memberTenantId"]}])["list"]
    ours = {one["description"] for one in roles if one.get("memberTenantId") is None}
    assert ours >= {"User", "Group", "Tenant Administrator", "System Administrator"}


def test_a_user_sees_nothing_of_the_management(jmap: Jmap) -> None:
    name, domain = jmap.domain()
    jmap.user(domain, credentials=password(STRONG))
    body = {"using": USING, "methodCalls": [["x:Domain/get", {"ids": [domain]}, "0"]]}
    answer = jmap.server.caller(basic=(f"anna@{name}", STRONG))("POST", "/jmap/", json=body)
    method, error, _ = answer.json()["methodResponses"][0]
    assert (answer.status_code, method, error["type"]) == (200, "error", "forbidden")


def test_a_tenants_account_may_not_use_a_group_or_a_role_from_outside(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    _, domain = jmap.domain(memberTenantId=tenant)
    stray = jmap.create("Account", **{"@type": "Group"}, name="stray", domainId=domain)
    role = jmap.create("Role", description="outside")
    body: dict[str, Any] = {"@type": "User", "name": "anna", "domainId": domain, "memberTenantId": tenant}
    uses: list[tuple[str, str, dict[str, Any]]] = [
        ("Account", stray, {"memberGroupIds": {stray: True}}),
        ("Role", role, {"roles": {"@type": "Custom", "roleIds": {role: True}}}),
    ]
    for kind, id_, fields in uses:
        error = jmap.refusal("Account", **body, **fields)
        assert (error["type"], error["objectId"]) == ("invalidForeignKey", {"object": kind, "id": id_})


def test_a_tenants_numbers_do_not_bind_a_system_administrator(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"), quotas={"maxDomains": 1, "maxAccounts": 0})
    domains = [jmap.domain(memberTenantId=tenant)[1] for _ in range(2)]
    assert jmap.user(domains[0], memberTenantId=tenant)
    assert jmap.change("Tenant", tenant, quotas__maxDomains=5) is None
    assert jmap.get("Tenant", tenant, "quotas")["quotas"] == {"maxDomains": 5, "maxAccounts": 0}


def test_a_tenants_administrator_is_cut_to_a_user_only_by_the_community_build(jmap: Jmap) -> None:
    """Seen: without a licence tenant users are cut to user permissions: community yes; oss no, a tenant admin keeps
    sysDomain*.
    """
    edition = jmap.server("GET", "/api/account").json()["edition"]
    if edition == "enterprise":
        pytest.skip("this server has a licence")
    tenant = jmap.create("Tenant", name=unique("tenant"))
    name, domain = jmap.domain(memberTenantId=tenant)
    given = {"@type": "Merge", "enabledPermissions": {"sysDomainUpdate": True}}
    jmap.user(domain, "boss", memberTenantId=tenant, credentials=password(STRONG), permissions=given)
    assert ("sysDomainUpdate" in permissions(jmap, f"boss@{name}", STRONG)) == (edition == "oss")


def test_an_administrator_in_a_tenant_has_no_rights_over_the_server(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    name, domain = jmap.domain(memberTenantId=tenant)
    jmap.user(domain, "boss", memberTenantId=tenant, roles={"@type": "Admin"}, credentials=password(STRONG))
    assert "sysTenantCreate" not in permissions(jmap, f"boss@{name}", STRONG)


def test_a_task_that_counts_a_tenants_bytes_again_is_accepted(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    body = {"@type": "TenantMaintenance", "tenantId": tenant, "maintenanceType": "recalculateQuota"}
    jmap.create("Task", **body, status={"@type": "Pending"})


def test_object_quotas_do_not_bind_a_tenants_administrator_without_a_licence(jmap: Jmap) -> None:
    """Seen: oss: a tenant admin made a 4th account under maxAccounts 1."""
    if jmap.server("GET", "/api/account").json()["edition"] != "oss":
        pytest.skip("seen on the open-source build only")
    tenant = jmap.create("Tenant", name=unique("tenant"), quotas={"maxAccounts": 1})
    name, domain = jmap.domain(memberTenantId=tenant)
    jmap.user(domain, "boss", memberTenantId=tenant, roles={"@type": "Admin"}, credentials=password(STRONG))
    boss = Jmap(jmap.server.caller(basic=(f"boss@{name}", STRONG)))
    for number in range(3):
        jmap.made("Account", boss.user(domain, f"anna{number}"))


def test_a_key_is_shown_once_and_an_account_has_five_at_most(jmap: Jmap) -> None:
    """Seen: right as written: 5 keys (overQuota); the secret comes with the create only."""
    account, secret = jmap.key()
    assert secret.startswith("API_")
    keeper = Jmap(jmap.server.caller(token=secret))
    for _ in range(4):
        assert keeper.set("ApiKey", create={"k": {"description": "more"}})["created"]["k"]["secret"]
    assert keeper.refusal("ApiKey", description="one too many")["type"] == "overQuota"
    shown = keeper(["x:ApiKey/get", {"properties": ["id", "secret"]}])["list"]
    assert {one.get("secret", "****") for one in shown} == {"****"}
    assert len(shown) == 5
    assert account
