"""Test the removal of a tenant's group: never when an application would be open to strangers without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from tests.simulators import API_TOKEN, PERMISSIONS, MakeStep, Saved, fault, writes
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import ensure_group, remove_group


@pytest.fixture
def identity(authentik: AuthentikSimulator) -> Iterator[AuthentikClient]:
    api = JsonClient(authentik.url, authorize=BearerToken(API_TOKEN), call_seconds=1.0)
    yield AuthentikClient(api)
    api.close()


class Wiki:
    """An application, the tenant's group, and a user without any group."""

    def __init__(self, authentik: AuthentikSimulator, group: str) -> None:
        self.access = authentik.state.access
        self.directory = authentik.directory
        self.group = group
        self.other = self.directory.add_group({"name": "other"}).pk
        self.stranger = self.directory.add_user({"username": "stranger"})
        self.application = self.access.add_application({"name": "Wiki", "slug": "wiki"})

    def bind(self, **who: Any) -> None:
        policy = who.pop("policy", None)
        if policy is not None:
            self.access.policies["policy"] = policy
            who["policy"] = "policy"
        self.access.add_binding({"target": self.application.pk, "order": 0, **who})

    def is_open(self) -> bool:
        return self.access.passes(self.stranger, self.application)


@pytest.fixture
def wiki(authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved) -> Wiki:
    ensure_group(make_step("authentik"), identity)
    return Wiki(authentik, saved["authentikGroupId"])


def test_a_group_that_nothing_depends_on_is_removed_with_least_permissions(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    authentik.limit_token(sorted(PERMISSIONS))
    assert remove_group(make_step("authentik"), identity).result is Result.OK
    assert wiki.group not in authentik.directory.groups
    assert not any("used_by" in entry["path"] for entry in authentik.journal)


def test_a_group_is_removed_when_another_group_guards_the_same_application(
    identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    wiki.bind(group=wiki.group)
    wiki.bind(group=wiki.other)
    assert remove_group(make_step("authentik"), identity).result is Result.OK
    assert not wiki.is_open()


@pytest.mark.parametrize(
    "other",
    [
        None,
        {"group": "other", "enabled": False},
        {"group": "other", "negate": True},
        {"policy": True},
        {"group": "own", "order": 1},
        {"group": "other", "expires": "2200-01-01T00:00:00Z", "expiring": True},
    ],
    ids=["nothing", "disabled", "negated", "policy", "the same group again", "expiring"],
)
def test_a_group_stays_when_no_enabled_group_or_user_binding_would_be_left(
    authentik: AuthentikSimulator,
    identity: AuthentikClient,
    make_step: MakeStep,
    wiki: Wiki,
    other: dict[str, Any] | None,
) -> None:
    wiki.bind(group=wiki.group)
    if other is not None:
        named = {"other": wiki.other, "own": wiki.group}.get(other.get("group", ""))
        wiki.bind(**{**other, **({"group": named} if named else {})})
    authentik.journal.clear()
    with pytest.raises(PermanentError, match=wiki.application.pk) as refusal:
        remove_group(make_step("authentik"), identity)
    assert refusal.value.reason == "guards_alone"
    assert writes(authentik) == []


def test_a_user_binding_guards_as_a_group_binding_does(
    identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    user = wiki.directory.add_user({"username": "somebody"})
    wiki.bind(group=wiki.group)
    wiki.bind(user=user.pk)
    assert remove_group(make_step("authentik"), identity).result is Result.OK
    assert not wiki.is_open()


def test_with_the_mode_all_every_binding_narrows_so_the_group_stays(
    identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    wiki.application.policy_engine_mode = "all"
    wiki.bind(group=wiki.group)
    wiki.bind(user=wiki.stranger.pk)
    assert not wiki.is_open()
    with pytest.raises(PermanentError, match=wiki.application.pk):
        remove_group(make_step("authentik"), identity)
    assert not wiki.is_open()


def test_the_mode_of_an_application_that_our_account_cannot_read_counts_as_all(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    # the list shows an account without superuser rights only its own applications
    wiki.bind(group=wiki.group)
    wiki.bind(group=wiki.other)
    for permissions in (sorted(PERMISSIONS), [*PERMISSIONS, "view_application"]):
        authentik.limit_token(permissions)
        with pytest.raises(PermanentError, match=wiki.application.pk) as refusal:
            remove_group(make_step("authentik"), identity)
        assert refusal.value.reason == "guards_alone"
    own = wiki.directory.users_by_name["akadmin"].pk
    wiki.directory.groups[wiki.other].users.add(own)
    assert remove_group(make_step("authentik"), identity).result is Result.OK


def test_a_group_with_only_a_disabled_binding_may_be_removed(
    identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    wiki.bind(group=wiki.group, enabled=False)
    assert remove_group(make_step("authentik"), identity).result is Result.OK


def test_bindings_beyond_the_first_page_are_found(identity: AuthentikClient, make_step: MakeStep, wiki: Wiki) -> None:
    for number in range(120):
        other = wiki.access.add_application({"name": f"a{number}", "slug": f"a{number}"})
        wiki.access.add_binding({"target": other.pk, "order": number, "group": wiki.other})
    wiki.bind(group=wiki.group, order=999)
    with pytest.raises(PermanentError, match=wiki.application.pk):
        remove_group(make_step("authentik"), identity)


def test_hidden_bindings_do_not_count_as_absent(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    wiki.bind(group=wiki.group)
    authentik.limit_token(["view_group", "delete_group"])
    with pytest.raises(PermanentError, match="missing_permission"):
        remove_group(make_step("authentik"), identity)
    assert wiki.group in authentik.directory.groups


@pytest.mark.parametrize("body", ["{}", '{"results": [{}]}', '{"results": {}}', "[]", "null"])
def test_a_wrong_list_of_bindings_does_not_count_as_empty(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, wiki: Wiki, body: str
) -> None:
    fault(authentik, kind="status", status=200, body=body, content_type="application/json", path="bindings")
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        remove_group(make_step("authentik"), identity)
    assert wiki.group in authentik.directory.groups


def test_a_hanging_authentik_removes_nothing_and_the_removal_continues_later(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    fault(authentik, kind="hang", path="bindings", count=1)
    with pytest.raises(TemporaryError, match="timeout"):
        remove_group(make_step("authentik"), identity)
    assert wiki.group in authentik.directory.groups
    assert remove_group(make_step("authentik"), identity).result is Result.OK


def test_a_removal_whose_response_was_lost_is_verified_as_done(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    fault(authentik, kind="lost", method="DELETE", count=1)
    with pytest.raises(TemporaryError):
        remove_group(make_step("authentik"), identity)
    assert remove_group(make_step("authentik"), identity).result is Result.OK


def test_a_binding_with_a_time_that_does_not_expire_is_a_guard(
    identity: AuthentikClient, make_step: MakeStep, wiki: Wiki
) -> None:
    wiki.bind(group=wiki.group)
    wiki.bind(group=wiki.other, expires="2200-01-01T00:00:00Z", expiring=False)
    assert remove_group(make_step("authentik"), identity).result is Result.OK


BAD_PAGES = [
    {"pagination": "x", "results": []},
    {"pagination": [1], "results": []},
    {"pagination": {"next": "2"}, "results": []},
    {"results": []},
    {"pagination": {"next": 0}, "results": [1]},
    {"pagination": {"next": 0}, "results": ["x"]},
    {"pagination": {"next": 0}, "results": [None]},
]


@pytest.mark.parametrize("path", ["policies/bindings", "core/applications", "core/users/\\?", "core/groups/\\?"])
@pytest.mark.parametrize("body", BAD_PAGES, ids=json.dumps)
def test_a_list_of_another_shape_is_an_unexpected_answer(
    authentik: AuthentikSimulator, identity: AuthentikClient, wiki: Wiki, path: str, body: dict[str, Any]
) -> None:
    fault(authentik, kind="status", status=200, body=json.dumps(body), content_type="application/json", path=path)
    ask: dict[str, Callable[[], object]] = {
        "policies/bindings": identity.list_bindings,
        "core/applications": identity.application_modes,
        "core/users/\\?": lambda: identity.find_people("a@b.test"),
        "core/groups/\\?": identity.list_groups,
    }
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        ask[path]()
