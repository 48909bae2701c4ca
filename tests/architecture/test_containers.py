"""The containers agree with the code: settings, queues, ports, and what the image is built from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.settings import ConsoleSettings
from shared.config.settings import Settings
from shared.messaging.queues import QUEUES
from worker.process_context import ELECTION_SECONDS

ROOT = Path(__file__).parents[2]
OURS = ("api", "worker", "sweep", "flower")
NOT_SETTINGS = {"FLOWER_BASIC_AUTH", "FLOWER_READ_ONLY"}
VARIABLES = {name.upper() for name in Settings.model_fields}
OF_THE_CONSOLE = {f"CONSOLE_{name.upper()}" for name in ConsoleSettings.model_fields}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def flags(service: dict[str, Any]) -> str:
    return " ".join(service["command"])


def test_the_services_a_user_expects_are_there_and_the_products_wait_for_their_profile(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"mongo", "redis", *OURS} <= set(services)
    always = {name for name, service in services.items() if "profiles" not in service}
    assert always == {"mongo", "redis", *OURS}
    assert {"traefik", "authentik", "stalwart", "ocis"} <= set(services) - always


@pytest.mark.parametrize("name", OURS)
def test_every_variable_given_to_our_services_is_a_setting(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert set(service["environment"]) - NOT_SETTINGS <= VARIABLES
    assert service["build"] == "."


def test_the_example_environment_names_every_setting_and_nothing_else() -> None:
    text = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?\s?([A-Z_]+)=", text, re.MULTILINE))
    assert named - NOT_SETTINGS == VARIABLES | OF_THE_CONSOLE


def test_the_console_is_given_settings_of_its_own_only_and_is_asked_for_its_health(compose: dict[str, Any]) -> None:
    service = compose["services"]["console"]
    assert set(service["environment"]) <= OF_THE_CONSOLE
    assert "env_file" not in service
    assert {name for name, field in ConsoleSettings.model_fields.items() if field.is_required()} <= {
        name.removeprefix("CONSOLE_").lower() for name in service["environment"]
    }
    port = service["command"][service["command"].index("--port") + 1]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}/health/ready" in " ".join(service["healthcheck"]["test"])
    broker = compose["services"]["api"]["environment"]["REDIS_URL"]
    assert service["environment"]["CONSOLE_REDIS_URL"] != broker


def test_redis_never_evicts_and_keeps_an_append_only_file(compose: dict[str, Any]) -> None:
    assert "--maxmemory-policy noeviction" in flags(compose["services"]["redis"])
    assert "--appendonly yes" in flags(compose["services"]["redis"])


def test_mongodb_is_a_replica_set_that_our_uri_names(compose: dict[str, Any]) -> None:
    assert "--replSet rs0" in flags(compose["services"]["mongo"])
    assert "replicaSet=rs0" in compose["services"]["api"]["environment"]["MONGODB_URI"]


def test_the_worker_reads_every_queue_and_is_given_time_to_stop(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    command = worker["command"]
    assert set(command[command.index("-Q") + 1].split(",")) == set(QUEUES)
    # what has begun ends within an attempt's time and a patient write
    longest = Settings.model_fields["attempt_seconds"].default + ELECTION_SECONDS
    assert int(worker["stop_grace_period"].rstrip("s")) > longest


def test_ports_are_published_on_loopback_only_and_the_apis_is_the_settings_default(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert compose["services"]["api"]["ports"] == ["127.0.0.1:3001:3001"]
    assert '"--port", "3001"' in (ROOT / "Dockerfile").read_text()


def test_the_image_is_built_from_paths_that_exist_and_from_the_lock_with_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert set(copied) == {"requirements.lock", "api", "worker", "shared", "client", "console", "platformctl"}
    assert all((ROOT / path).exists() for path in copied)
    assert "--require-hashes" in text
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)


@pytest.mark.parametrize("file", ["docker-compose.yml", ".env.example", "Dockerfile"])
def test_no_secret_stands_in_a_file(file: str) -> None:
    text = (ROOT / file).read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|SECRET|TOKEN|STAMP_KEYS|BASIC_AUTH)[A-Z_]*\s*[:=]\s*\S", line):
            assert "${" in line or line.rstrip().endswith("=") or "TOKEN_URL" in line, line
