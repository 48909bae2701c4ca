"""The compose files agree with the specification, each other, the settings and the hardening rules."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from console.settings import ConsoleSettings
from deploy import prepare
from deploy.certificates import CONFIGURATION
from shared.config.settings import Settings
from shared.messaging.messages import QUEUES
from tests.deploy.conftest import BASE_DOMAIN, COMPOSE, ROOT, read
from worker.flower import MAX_TASKS
from worker.process_context import ELECTION_SECONDS

DATABASES = {"mongo", "redis"}
OURS = {"api", "worker", "scheduler", "flower", "console", "bootstrap"}
PRODUCTS = {"traefik", "authentik-db", "authentik", "authentik-worker", "stalwart", "ocis"}
SETTINGS = {name.upper() for name in Settings.model_fields}
CONSOLE = {f"CONSOLE_{name.upper()}" for name in ConsoleSettings.model_fields}
FULL = prepare.addresses(prepare.DOMAIN)
#: listeners that Stalwart has on a data store without settings
LISTENERS = {"25", "465", "993", "995", "4190", "443", "8080"}
#: variables that are no setting: of the bootstrap job, and of Flower
OTHERS = {"SERVICE_DOMAIN", "MAIL_HOST", "FLOWER_BASIC_AUTH", "FLOWER_DB"}


@pytest.fixture
def compose() -> dict[str, Any]:
    """Both files as one model, as `docker compose` includes them."""
    core, products = (read(name) for name in ("compose.yaml", "products.yaml"))
    return {
        part: {**core.get(part, {}), **products.get(part, {})}
        for part in ("services", "networks", "volumes", "secrets")
    }


def test_the_files_follow_the_compose_specification(compose: dict[str, Any]) -> None:
    # imported here: it takes as long as all other imports, in each process that collects this file
    from compose_spec import ComposeSpecification

    top = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (included,) = top["include"]
    assert [ROOT / path for path in included["path"]] == [COMPOSE / "compose.yaml", COMPOSE / "products.yaml"]
    ComposeSpecification.model_validate(top)
    ComposeSpecification.model_validate(compose)


def test_only_the_products_wait_for_the_profile(services: dict[str, Any]) -> None:
    assert set(services) == DATABASES | OURS | PRODUCTS
    assert {name for name, one in services.items() if "full" in one.get("profiles", [])} == PRODUCTS | {"bootstrap"}


def test_whatever_a_service_names_is_declared(compose: dict[str, Any], services: dict[str, Any]) -> None:
    for name, one in services.items():
        assert set(one.get("networks", [])) <= set(compose["networks"]), name
        assert set(one.get("secrets", [])) <= set(compose["secrets"]), name
        assert set(one.get("depends_on", {})) <= set(services), name
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                made = source.startswith(("./secrets", "./certificates"))
                # readable in containers whatever the umask of the clone
                opened = [(ROOT / "deploy" / folder).resolve() for folder in CONFIGURATION]
                assert made or (COMPOSE / source).resolve() in opened, (name, source)
            else:
                assert source in compose["volumes"], (name, source)


def test_every_secret_is_generated_and_used(compose: dict[str, Any], services: dict[str, Any]) -> None:
    assert set(compose["secrets"]) == set(prepare.SECRETS)
    assert {secret for one in services.values() for secret in one.get("secrets", [])} == set(prepare.SECRETS)
    assert all(one["file"] == f"secrets/{name}" for name, one in compose["secrets"].items())


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_of_our_services_is_a_setting(services: dict[str, Any], name: str) -> None:
    given = {variable.removesuffix("_FILE") for variable in services[name].get("environment", {})}
    assert given <= SETTINGS | CONSOLE | OTHERS


def test_no_service_has_secrets_that_it_does_not_read(services: dict[str, Any]) -> None:
    for name in OURS - {"bootstrap"}:
        one = services[name]
        read = {value.rpartition("/")[2] for key, value in one["environment"].items() if key.endswith("_FILE")}
        assert set(one["secrets"]) == read, name
    # the API calls no product
    assert not {"authentik_api_token", "stalwart_api_token", "ocis_password", "stripe_api_key"} & set(
        services["api"]["secrets"]
    )


def test_every_variable_of_the_environment_file_reaches_our_services(services: dict[str, Any]) -> None:
    assert set(FULL) <= SETTINGS | CONSOLE
    for name in OURS - {"bootstrap"}:
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]


def readers(services: dict[str, Any], secret: str) -> set[str]:
    return {name for name, one in services.items() if secret in one.get("secrets", [])}


def test_every_secret_can_be_read_by_the_user_of_each_service_that_has_it(services: dict[str, Any]) -> None:
    users = {name: prepare.PLATFORM for name in OURS} | {"authentik": prepare.AUTHENTIK}
    users |= {"authentik-worker": prepare.AUTHENTIK}
    users |= {name: int(one["user"].split(":")[0]) for name, one in services.items() if "user" in one}
    groups = {name: {int(one["user"].split(":")[1])} for name, one in services.items() if "user" in one}
    for secret, (owner, _) in prepare.SECRETS.items():
        for name in readers(services, secret):
            has = groups.get(name, set()) | {int(group) for group in services[name].get("group_add", [])}
            assert users[name] == owner or prepare.SHARED.get(secret) in has, (name, secret)


def test_the_bootstrap_job_mounts_only_the_files_that_it_writes(services: dict[str, Any]) -> None:
    volumes = [volume for volume in services["bootstrap"]["volumes"] if "secrets" in volume]
    assert volumes == [f"./secrets/{name}:/run/secrets/{name}" for name in sorted(prepare.WRITTEN)]
    assert all(prepare.SECRETS[name][0] == prepare.PLATFORM for name in prepare.WRITTEN)


def test_everything_is_hardened_bounded_and_watched(services: dict[str, Any]) -> None:
    for name, one in services.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert set(one.get("cap_add", [])) <= {"NET_BIND_SERVICE"}, name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["mem_limit"], name
        assert one["logging"]["options"]["max-size"], name
        # a job that Compose restarts never ends for `up --wait`
        assert one["restart"] == ("no" if name == "bootstrap" else "unless-stopped"), name
        assert name == "bootstrap" or "healthcheck" in one or name in {"api"}, name
        assert not any("docker.sock" in volume for volume in one.get("volumes", [])), name


def test_every_service_that_another_depends_on_has_a_health_check(services: dict[str, Any]) -> None:
    awaited = {
        other
        for one in services.values()
        for other, condition in one.get("depends_on", {}).items()
        if condition["condition"] == "service_healthy"
    }
    # the API's health check is the image's own
    assert {name for name in awaited if "healthcheck" not in services[name]} <= {"api", "authentik-worker"}


def test_images_are_named_by_full_version(services: dict[str, Any]) -> None:
    for name in DATABASES | PRODUCTS:
        image = services[name]["image"]
        assert re.search(r":v?\d+\.\d+(\.\d+)?(@sha256:[0-9a-f]{64})?$", image), (name, image)


def test_ports_are_published_on_loopback_by_default(services: dict[str, Any]) -> None:
    for name, one in services.items():
        for port in one.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${BIND_ADDRESS:-127.0.0.1}:")), (name, port)
    assert services["api"]["ports"] == ["127.0.0.1:${API_PORT:-3001}:3001"]


def test_every_published_port_of_stalwart_has_a_listener(services: dict[str, Any]) -> None:
    assert {port.rpartition(":")[2] for port in services["stalwart"]["ports"]} <= LISTENERS


def test_the_domain_is_a_variable_in_every_file_that_names_it() -> None:
    for path in (path for path in (ROOT / "deploy").rglob("*.*") if path.suffix in (".yaml", ".json", ".sh")):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        text = "\n".join(lines).replace("mongo.dezky.local", "")
        for written in BASE_DOMAIN:
            text = text.replace(written, "")
        assert prepare.DOMAIN not in text, path


def test_every_variable_of_the_compose_files_is_documented() -> None:
    text = "".join((COMPOSE / name).read_text() for name in ("compose.yaml", "products.yaml"))
    page = (ROOT / "docs/how-to/deploy.md").read_text()
    for variable in set(re.findall(r"\$\{([A-Z_]+)", text)) - SETTINGS - CONSOLE:
        assert f"`{variable}`" in page, variable


def test_the_commands_of_backup_and_upgrade_name_volumes_services_and_images_that_exist(
    compose: dict[str, Any],
) -> None:
    page = "".join((ROOT / f"docs/how-to/{name}.md").read_text() for name in ("backup", "upgrade"))
    project = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["name"]
    named = set(re.findall(rf"--volume {project}_([a-z-]+):", page))
    assert named == {"stalwart-data", "ocis-data", "ocis-config"} <= set(compose["volumes"])
    images = {one["image"] for one in compose["services"].values()}
    assert set(re.findall(r" (postgres:\S+)", page)) <= images
    assert "${PLATFORM_IMAGE:-dezky-platform-api:local}" in images
    assert "docker tag dezky-platform-api:local" in page
    for line in re.findall(r"docker compose (?:up|stop|start|exec)(.*)", page):
        words = [word for word in line.partition("#")[0].partition("`")[0].split() if not word.startswith("-")]
        assert not words or words[0] in compose["services"], line


def test_mongodb_is_the_member_that_our_uri_names(services: dict[str, Any]) -> None:
    assert "mongo.dezky.local" in services["mongo"]["networks"]["data"]["aliases"]
    assert "mongo.dezky.local:27017/?replicaSet=rs0" in prepare.SECRETS["mongodb_uri"][1]({"mongodb_password": "x"})


def test_the_worker_reads_every_queue_and_is_given_time_to_stop(services: dict[str, Any]) -> None:
    worker = services["worker"]
    command = worker["command"]
    assert set(command[command.index("-Q") + 1].split(",")) == set(QUEUES)
    # a running step ends within an attempt's time and a slow write
    longest = Settings.model_fields["attempt_seconds"].default + ELECTION_SECONDS
    assert int(worker["stop_grace_period"].rstrip("s")) > longest


def test_the_products_of_the_profile_have_the_addresses_in_the_settings(services: dict[str, Any]) -> None:
    hosts = {re.sub(r"https://([^/]+).*", r"\1", value) for key, value in FULL.items() if key.endswith("_URL")}
    assert hosts <= set(services["traefik"]["networks"]["edge"]["aliases"])
    blueprints = "".join(path.read_text() for path in (ROOT / "deploy/authentik").glob("*.yaml"))
    for app in re.findall(r"application/o/([a-z-]+)/=", FULL["OIDC_ISSUERS"]):
        assert f"slug: {app}" in blueprints
    wanted = set(re.findall(r"!Env \[?(DEZKY_[A-Z_]+|OCIS_PUBLIC_URL)", blueprints))
    script = (COMPOSE / "authentik/start.sh").read_text()
    given = set(services["authentik-worker"]["environment"]) | set(re.findall(r"read_secret ([A-Z_]+)", script))
    assert wanted <= given


@pytest.mark.parametrize("name", ["compose.yaml", "products.yaml"])
def test_no_file_contains_a_secret(name: str) -> None:
    for line in (COMPOSE / name).read_text().splitlines():
        if re.search(r"(PASSWORD|SECRET|TOKEN|KEYS?|BASIC_AUTH)[A-Z_]*: *\S", line):
            assert re.search(r"_FILE: /run/secrets/|file:///run/secrets/|TOKEN_URL|\$\{[A-Z_]+:-\}", line), line


def test_flowers_tasks_fit_its_memory(compose: dict[str, Any]) -> None:
    # measured: 86 MB without tasks, and 8.3 kB for each
    needed = 90 + MAX_TASKS * 9 // 1000
    assert needed < int(compose["services"]["flower"]["mem_limit"].removesuffix("m")) * 0.8
