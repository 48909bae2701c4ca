"""Consistency of tables: every row of one table has its counterpart in the others."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import celery
import kombu
import pytest
from flask import Flask
from redis.exceptions import ConnectionError as RedisConnectionError

from api.auth.guard import guard
from api.http.problem_details import STATUS
from console.web import words
from shared.config.settings import Settings
from shared.core import errors
from shared.integrations import reasons
from shared.integrations.catalog import ACCESS, INTEGRATIONS, SCANNED
from shared.messaging.celery_app import CHORD_COUNTER_TTL, make_celery
from shared.messaging.celery_extensions import AFFECTED_CELERY
from shared.messaging.messages import FINALIZE, QUEUES, RUN_STEP
from shared.orphans.model import OrphanKind
from shared.tenants.transitions import TRANSITIONS
from shared.workflows.model import WORKFLOWS, Action
from tests.architecture.sources import PACKAGES, ROOT, trees
from worker.app import create_worker
from worker.integrations.discovery import FINDERS
from worker.integrations.registry import STEPS, connect_integrations


def sources(*packages: str) -> Iterator[tuple[Path, str]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, path.read_text()


def test_every_action_has_a_workflow_and_a_transition_and_every_step_a_function() -> None:
    assert set(WORKFLOWS) == set(TRANSITIONS) == set(STEPS) == set(Action)
    for action, workflow in WORKFLOWS.items():
        steps = [step for stage in workflow for step in stage]
        assert len({step.name for step in steps}) == len(steps)
        assert {step.name for step in steps} == set(STEPS[action])
        assert {step.integration for step in steps} <= set(INTEGRATIONS)


def test_every_integration_has_a_queue_and_a_client(settings: Settings) -> None:
    assert set(INTEGRATIONS) < set(QUEUES)
    assert set(connect_integrations(settings)) == set(INTEGRATIONS)


def test_every_integration_names_settings_that_exist_and_credentials() -> None:
    for name, one in INTEGRATIONS.items():
        named = {one.address, *chain.from_iterable(one.credentials)}
        assert named <= set(Settings.model_fields), name
        assert one.credentials, name
        assert {field.partition(".")[0] for kind in one.marked for field in kind.fields} <= set(one.fields), name


def test_every_kind_of_marked_object_is_listed_by_the_orphan_scans() -> None:
    assert {kind.name for one in INTEGRATIONS.values() for kind in one.marked} == set(OrphanKind)
    assert set(FINDERS) == set(SCANNED)


def test_the_console_has_a_label_and_a_filter_for_every_integration() -> None:
    assert tuple(INTEGRATIONS) == words.STEP_NAMES
    assert set(words.INTEGRATIONS) >= {*INTEGRATIONS, ACCESS}


def test_every_task_that_is_sent_is_answered_by_the_worker(settings: Settings) -> None:
    assert {RUN_STEP, FINALIZE} <= set(create_worker(settings).tasks)


def test_every_domain_error_has_a_status() -> None:
    assert set(STATUS) == set(errors.DomainError.__subclasses__())


def test_a_route_without_guard_stops_the_start() -> None:
    app = Flask("stray", static_folder=None)
    app.add_url_rule("/stray", "stray", lambda: "")
    with pytest.raises(LookupError, match="stray"):
        guard(app, None)  # type: ignore[arg-type]


def test_every_used_reason_is_in_the_catalogue_and_every_listed_one_is_used() -> None:
    given = set()
    for _, text in sources("worker", "shared"):
        sources_of_reasons = "TemporaryError|PermanentError|Repeatable|skipped|reason_message"
        given |= set(re.findall(rf'(?:{sources_of_reasons})\(\s*"([a-z_]+)"', text))
        given |= set(re.findall(r'Outcome\(Result\.\w+, "([a-z_]+)"', text))
        given |= set(re.findall(r'REASONS\["([a-z_]+)"\]', text))
    assert given <= set(reasons.REASONS)
    indirect = {"unreachable", "timeout", "invalid", "quota", "missing_permission", "taken", "bad_credentials"}
    indirect |= {"not_checked"}
    assert set(reasons.REASONS) - given <= indirect


def test_every_reason_has_a_remedy() -> None:
    texts = [text for one in reasons.REASONS.values() for text in (one.message, one.remedy_while_open)]
    assert all(text.endswith(".") for text in texts)


def test_no_task_has_retry_options_that_need_autoretry_for() -> None:
    for path, text in sources("worker", "shared"):
        if re.search(r"retry_backoff|retry_jitter", text):
            assert "autoretry_for" in text, path


def test_every_file_starts_with_a_description() -> None:
    of_tests = {path: ast.parse(text) for path, text in sources("tests")}
    assert [path for path, tree in {**trees(), **of_tests}.items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_module_has_a_generic_name() -> None:
    hollow = {"utils", "helpers", "common", "base", "manager", "misc"}
    assert not [path for path, _ in sources(*PACKAGES, "tests") if path.stem in hollow]


def test_a_chords_counter_outlives_the_longest_operation() -> None:
    longest = Settings.model_fields["operation_deadline_seconds"].metadata
    assert max(limit.le for limit in longest if hasattr(limit, "le")) < CHORD_COUNTER_TTL


def test_the_workaround_is_for_exactly_the_locked_versions() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert f"celery=={AFFECTED_CELERY}" in lock
    assert f"kombu=={AFFECTED_CELERY}" in lock
    assert celery.__version__ == kombu.__version__ == AFFECTED_CELERY, "check whether the workaround is still needed"


def test_a_channel_of_a_closed_connection_raises_a_lost_connection(settings: Settings) -> None:
    app = make_celery(settings.broker, "worker")
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.connection.client = None
        with pytest.raises(RedisConnectionError):
            channel._connparams()


def test_the_lock_files_contain_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9._-]+(?:\[.*\])?==", text, re.MULTILINE)
        assert len(pins) > 40
        assert text.count("--hash=sha256:") >= len(pins)


def test_every_dependency_is_justified(make_settings: Callable[..., Settings]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = (project["dependencies"], *project["optional-dependencies"].values())
    wanted = [re.split(r"[^A-Za-z0-9-]", one)[0] for group in groups for one in group]
    listed = (ROOT / "docs" / "reference" / "dependencies.md").read_text().lower()
    assert [name for name in wanted if f"`{name.lower()}`" not in listed] == []
