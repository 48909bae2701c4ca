"""Check the removal of a tenant's mail: references that block it, and the order.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.contracts.jmap_calls import Jmap
from tests.contracts.real_or_simulator import unique


def test_a_domain_is_destroyed_once_and_only_without_references(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    account = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    error = jmap.set("Domain", destroy=[domain])["notDestroyed"][domain]
    assert error["type"] == "objectIsLinked"
    assert {"object": "Account", "id": account} in error["linkedObjects"]
    assert jmap.set("Account", destroy=[account])["destroyed"] == [account]
    assert jmap.set("Domain", destroy=[domain])["destroyed"] == [domain]
    assert jmap.set("Domain", destroy=[domain])["notDestroyed"][domain]["type"] == "notFound"


def linked(jmap: Jmap, kind: str, id_: str) -> list[tuple[str, str]]:
    """List the objects that block the removal of an object, as (type, id)."""
    error = jmap.destroy(kind, id_)
    assert (error["type"], error["objectId"]) == ("objectIsLinked", {"object": kind, "id": id_})
    return sorted((one["object"], one["id"]) for one in error["linkedObjects"])


def test_everything_that_refers_to_a_domain_is_named_at_once(jmap: Jmap) -> None:
    _, elsewhere = jmap.domain()
    _, domain = jmap.domain()
    alias = {"0": {"name": "anna", "domainId": domain}}
    holders = [
        ("Account", jmap.create("Account", **{"@type": "User"}, name="anna", domainId=elsewhere, aliases=alias)),
        ("Account", jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain)),
        ("MailingList", jmap.create("MailingList", name="all", domainId=domain)),
    ]
    assert linked(jmap, "Domain", domain) == sorted(holders)


def test_a_group_is_destroyed_after_its_members_and_a_role_after_its_holders(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    team = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    role = jmap.create("Role", description="role")
    roles = {"@type": "Custom", "roleIds": {role: True}}
    body = {"@type": "User", "name": "anna", "domainId": domain, "memberGroupIds": {team: True}, "roles": roles}
    anna = jmap.create("Account", **body)
    assert linked(jmap, "Account", team) == linked(jmap, "Role", role) == [("Account", anna)]
    assert [jmap.destroy("Account", anna), jmap.destroy("Account", team), jmap.destroy("Role", role)] == [None] * 3


def test_a_destroyed_account_frees_its_address_at_once(jmap: Jmap) -> None:
    _, domain = jmap.domain()
    anna = jmap.create("Account", **{"@type": "User"}, name="anna", domainId=domain)
    assert jmap.destroy("Account", anna) is None
    again = jmap.create("Account", **{"@type": "User"}, name="anna", domainId=domain)
    assert again != anna
    assert jmap.destroy("Account", anna)["type"] == "notFound"


def test_automatic_keys_come_back_until_key_management_is_manual(jmap: Jmap) -> None:
    name = f"{unique('contract')}.test"
    algorithms = {"Dkim1Ed25519Sha256": True}
    domain = jmap.create("Domain", name=name, dkimManagement={"@type": "Automatic", "algorithms": algorithms})
    (key,) = wait_for(lambda: jmap.ids("DkimSignature", domainId=domain))
    assert linked(jmap, "Domain", domain) == [("DkimSignature", key)]
    assert jmap.destroy("DkimSignature", key) is None
    jmap.create("Task", **{"@type": "DkimManagement"}, domainId=domain, status={"@type": "Pending"})
    (again,) = wait_for(lambda: jmap.ids("DkimSignature", domainId=domain))
    assert again != key
    patch = {"isEnabled": False, "dkimManagement": {"@type": "Manual"}, "dnsManagement": {"@type": "Manual"}}
    assert jmap.change("Domain", domain, **patch) is None
    assert [jmap.destroy("DkimSignature", again), jmap.destroy("Domain", domain)] == [None, None]


def test_the_servers_own_domain_cannot_go(jmap: Jmap) -> None:
    before = jmap.get("SystemSettings", "singleton", "defaultDomainId").get("defaultDomainId")
    _, domain = jmap.domain()
    try:
        assert jmap.change("SystemSettings", "singleton", defaultDomainId=domain) is None
        assert linked(jmap, "Domain", domain) == [("SystemSettings", "singleton")]
    finally:
        assert jmap.change("SystemSettings", "singleton", defaultDomainId=before) is None
    assert jmap.destroy("Domain", domain) is None


def test_a_whole_tenant_is_destroyed_in_one_order_only(jmap: Jmap) -> None:
    tenant = jmap.create("Tenant", name=unique("tenant"))
    ours = {"memberTenantId": tenant}
    _, domain = jmap.domain(**ours)
    team = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain, **ours)
    anna = jmap.create(
        "Account", **{"@type": "User"}, name="anna", domainId=domain, memberGroupIds={team: True}, **ours
    )
    everybody = jmap.create("MailingList", name="all", domainId=domain, **ours)
    role = jmap.create("Role", description="role", **ours)
    client = jmap.create("OAuthClient", clientId=unique("client"), **ours)
    order = [
        ("Account", anna),
        ("MailingList", everybody),
        ("Account", team),
        ("Domain", domain),
        ("Role", role),
        ("OAuthClient", client),
        ("Tenant", tenant),
    ]
    for place, (kind, id_) in enumerate(order):
        left = [holder for holder in order[place:-1] if holder != ("Tenant", tenant)]
        assert not left or linked(jmap, "Tenant", tenant) == sorted(left)
        assert jmap.destroy(kind, id_) is None
    for kind, id_ in order:
        assert jmap.destroy(kind, id_)["type"] == "notFound"


def wait_for(read: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + 20
    while not (found := read()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found
