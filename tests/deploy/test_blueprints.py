"""The blueprints give the platform's account its documented permissions and front ends their expected clients."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from deploy.prepare import DOMAIN, addresses
from tests.simulators import PERMISSIONS, TENANT_ID
from worker.integrations.authentik.models import MANAGER, OUR_KEY

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/authentik"
FULL = addresses(DOMAIN)


class Blueprint(yaml.CSafeLoader):
    """Reads Authentik's tags as the plain values behind them."""


def _plain(loader: Blueprint, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


Blueprint.add_multi_constructor("!", _plain)


@cache
def entries() -> tuple[dict[str, Any], ...]:
    """Return the entries of all blueprints."""
    texts = [path.read_text() for path in sorted(FOLDER.glob("*.yaml"))]
    return tuple(one for text in texts for one in yaml.load(text, Loader=Blueprint)["entries"])  # noqa: S506 - a safe loader


def providers() -> dict[str, dict[str, Any]]:
    """Return the settings of the sign-in providers by their client."""
    return {one["attrs"]["client_id"]: one["attrs"] for one in entries() if one["model"].endswith(".oauth2provider")}


def test_the_role_has_the_permissions_that_the_documentation_lists() -> None:
    page = (ROOT / "docs/reference/integrations/authentik.md").read_text()
    table = page[page.index("| permission |") : page.index("All of them are needed")]
    first_column = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    documented = {name.rpartition(".")[2] for name in re.findall(r"`([a-z_.]+)`", first_column)}
    assert documented == PERMISSIONS


def test_a_providers_tokens_are_such_as_the_api_and_ocis_accept() -> None:
    for client, provider in providers().items():
        # without a key Authentik signs with the client's secret; another subject mode hides a tenant's owner
        assert provider["signing_key"], client
        assert provider["issuer_mode"] == "per_provider", client
        assert provider["sub_mode"] == "hashed_user_id", client
        assert provider["include_claims_in_id_token"] is True, client
        assert "encryption_key" not in provider, client
        assert provider["grant_types"], client


class Groups(list[SimpleNamespace]):
    """Groups of a user, with the part of Django's query sets that our expressions use."""

    def filter(self, **wanted: str) -> Groups:
        return Groups(one for one in self if all(_matches(one, *item) for item in wanted.items()))

    def exists(self) -> bool:
        return bool(self)


def _matches(group: SimpleNamespace, lookup: str, wanted: str) -> bool:
    field, *path = lookup.split("__")
    found = getattr(group, field)
    if path == ["startswith"]:
        return bool(found.startswith(wanted))
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return bool(found == wanted)


def _evaluated(name: str, groups: Groups) -> Any:
    """Return what one of our expressions returns for a user of these groups, who has no entitlement."""
    (expression,) = [one["attrs"]["expression"] for one in entries() if one.get("identifiers") == {"name": name}]
    user = SimpleNamespace(name="Ann", username="ann", all_groups=lambda: groups, app_entitlements=lambda _: Groups())
    scope: dict[str, Any] = {"provider": SimpleNamespace(application=None)}
    exec("def run(request):\n" + textwrap.indent(expression, "    "), scope)  # noqa: S102 - our own blueprint
    return scope["run"](SimpleNamespace(user=user, obj=None))


@pytest.mark.parametrize(
    ("name", "attributes", "is_ours"),
    [
        ("tenant-acme", {OUR_KEY: {"managedBy": MANAGER, "tenantId": TENANT_ID}}, True),
        ("tenant-Acme", {}, False),
        ("tenant-acme", {OUR_KEY: "text"}, False),
        ("tenant-acme", {OUR_KEY: {"managedBy": "somebody"}}, False),
        ("staff", {OUR_KEY: {"managedBy": MANAGER}}, False),
    ],
)
def test_only_the_platforms_groups_open_ocis_and_are_in_tokens(
    name: str, attributes: dict[str, Any], is_ours: bool
) -> None:
    groups = Groups([SimpleNamespace(name=name, attributes=attributes)])
    for profile in ("dezky profile", "dezky ocis profile"):
        assert _evaluated(profile, groups)["groups"] == ([name] if is_ours else [])
    assert _evaluated("dezky ocis roles", groups) == {"roles": ["ocisUser"] if is_ours else []}
    assert _evaluated("dezky ocis has a role", groups) is is_ours


@pytest.mark.parametrize("group", ["dezky-platform-admins", "dezky-platform-support"])
def test_tokens_name_the_groups_of_the_platform(group: str) -> None:
    groups = Groups(SimpleNamespace(name=name, attributes={}) for name in (group, "staff"))
    assert _evaluated("dezky profile", groups)["groups"] == [group]


def test_every_audience_of_the_settings_is_a_provider_and_an_application() -> None:
    applications = {one["identifiers"]["slug"] for one in entries() if one["model"].endswith("core.application")}
    audiences = {re.split("[=@]", one)[0] for one in FULL["OIDC_AUDIENCES"].split(",")}
    assert audiences == set(providers()) - {FULL["OCIS_CLIENT_ID"]} == applications - {"ocis"}
    for one in FULL["OIDC_ISSUERS"].split(","):
        issuer, keys = one.split("=")
        assert keys == f"{issuer}jwks/"
        assert issuer.split("/")[-2] in applications


def test_the_ocis_blueprint_has_the_claims_and_grants_that_the_platform_needs() -> None:
    provider = providers()[FULL["OCIS_CLIENT_ID"]]
    assert "client_credentials" in provider["grant_types"]
    tokens = {
        one["identifiers"]["identifier"]: one["attrs"] for one in entries() if one["model"].endswith("core.token")
    }
    assert {name: token["intent"] for name, token in tokens.items()} == {
        "dezky-provisioner": "api",
        "dezky-ocis": "app_password",
    }
    assert not any(token["expiring"] for token in tokens.values())
    users = {one["identifiers"]["username"] for one in entries() if one["model"].endswith("core.user")}
    assert FULL["OCIS_USERNAME"] in users
