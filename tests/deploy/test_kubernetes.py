"""The Kustomize base: valid manifests that name each other, the queues, the ports and the settings rightly."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.settings import ConsoleSettings
from shared.config.settings import Settings, read_api_settings
from shared.messaging.messages import QUEUES
from shared.operations.dispatcher import FULL_QUEUE
from tools.release import version
from worker.process_context import ELECTION_SECONDS

BASE = Path(__file__).parents[2] / "deploy/kubernetes"
#: supported Kubernetes versions
VERSIONS = ("1.32", "1.36")


@cache
def load(name: str) -> tuple[dict[str, Any], ...]:
    """Return the documents of a file of the base."""
    return tuple(yaml.load_all((BASE / name).read_text(), Loader=yaml.CSafeLoader))


def kustomization() -> dict[str, Any]:
    (found,) = load("kustomization.yaml")
    return found


def objects(*kinds: str) -> list[dict[str, Any]]:
    """Return the objects of some kinds, or all."""
    found = [one for name in kustomization()["resources"] for one in load(name)]
    return [one for one in found if not kinds or one["kind"] in kinds]


def deployments() -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects("Deployment")}


def autoscalers() -> dict[str, dict[str, Any]]:
    """Return the specifications of autoscalers by the deployment that each follows."""
    return {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in objects("HorizontalPodAutoscaler")}


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def named(kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in objects(kind)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(version: str) -> None:
    # imported here: it compiles grammars for two seconds, in each process that collects this file
    import kubernetes_validate

    for one in objects():
        kubernetes_validate.validate(one, version, strict=True)


def test_every_file_is_part_of_the_base() -> None:
    assert {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"} == set(kustomization()["resources"])


def test_every_queue_has_its_workers() -> None:
    commands = [part for one in deployments().values() for part in pod(one)["containers"][0]["command"]]
    served = [queue for part in commands if part.startswith("--queues=") for queue in part[9:].split(",")]
    assert sorted(served) == sorted(QUEUES)


def test_workers_have_time_to_stop() -> None:
    longest = Settings.model_fields["attempt_seconds"].default + ELECTION_SECONDS
    for name, one in deployments().items():
        if name.startswith("worker-"):
            assert pod(one)["terminationGracePeriodSeconds"] > longest


def test_pods_have_no_rights_and_bounded_memory() -> None:
    for one in deployments().values():
        assert pod(one)["securityContext"]["runAsNonRoot"] is True
        assert pod(one)["automountServiceAccountToken"] is False
        (container,) = pod(one)["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        assert "livenessProbe" in container


def test_probes_services_and_policies_name_ports_that_exist() -> None:
    for one in deployments().values():
        (container,) = pod(one)["containers"]
        ports = {port["name"] for port in container["ports"]}
        probes = (container.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness"))
        asked = {probe[how]["port"] for probe in probes for how in ("httpGet", "tcpSocket") if how in probe}
        assert asked <= ports
    for service in objects("Service"):
        assert service["spec"]["selector"]["app.kubernetes.io/name"] in deployments()


def test_readiness_waits_for_a_silent_broker_and_database() -> None:
    """Each takes a second of the API's answer, which is Kubernetes' own limit."""
    for one in deployments().values():
        probe = pod(one)["containers"][0].get("readinessProbe")
        assert probe is None or probe["timeoutSeconds"] >= 5


def test_every_replicated_workload_has_a_disruption_budget() -> None:
    several = {name for name, one in deployments().items() if one["spec"].get("replicas", 1) > 1}
    assert named("PodDisruptionBudget") == several | {
        name for name, one in autoscalers().items() if one["minReplicas"] > 1
    }


def test_autoscalers_alone_set_the_number_of_their_pods() -> None:
    """Each `kubectl apply` would set it back otherwise."""
    assert {name for name, one in deployments().items() if "replicas" not in one["spec"]} == set(autoscalers())


def test_autoscalers_follow_a_deployment_and_a_queue_that_exist() -> None:
    for one in objects("HorizontalPodAutoscaler"):
        assert one["spec"]["scaleTargetRef"]["name"] in deployments()
        for metric in one["spec"]["metrics"]:
            if metric["type"] == "External":
                assert metric["external"]["metric"]["selector"]["matchLabels"]["queue"] in QUEUES


def test_a_queue_that_the_scheduler_has_filled_brings_all_workers() -> None:
    """The scheduler adds nothing to a full queue, so that the autoscaler never sees more."""
    for one in autoscalers().values():
        for metric in one["metrics"]:
            if metric["type"] == "External":
                assert int(metric["external"]["target"]["averageValue"]) * one["maxReplicas"] <= FULL_QUEUE


def test_the_configuration_contains_settings_and_no_secret() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    console = {f"CONSOLE_{name.upper()}" for name in ConsoleSettings.model_fields}
    for one in objects("ConfigMap"):
        assert set(one["data"]) <= settings | console
        assert not [key for key in one["data"] if re.search(r"SECRET|PASSWORD|API_TOKEN|KEYS?$", key)]


def test_each_deployment_gets_only_the_secrets_that_it_needs() -> None:
    given = {
        name: {source["secretRef"]["name"] for source in pod(one)["containers"][0]["envFrom"] if "secretRef" in source}
        for name, one in deployments().items()
    }
    workers = {name: {"platform", "products"} for name in given if name.startswith("worker-")}
    own = {"api": {"platform", "api"}, "console": {"console"}, "flower": {"flower"}}
    assert given == {**own, **workers, "scheduler": {"platform", "products"}}


def test_the_base_is_of_the_version_that_is_released() -> None:
    (image,) = kustomization()["images"]
    assert image == {"name": "dezky-platform-api", "newTag": version()}


def test_autoscalers_ask_for_a_metric_that_is_served() -> None:
    served = (BASE.parents[1] / "docs/reference/metrics.md").read_text()
    for one in objects("HorizontalPodAutoscaler"):
        for metric in (
            metric["external"]["metric"]["name"] for metric in one["spec"]["metrics"] if "external" in metric
        ):
            assert f"`{metric}`" in served


def test_network_policies_deny_all_other_incoming_traffic() -> None:
    (closed,) = [one for one in objects() if one["metadata"]["name"] == "nothing-in"]
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_the_documented_overlay_lets_the_api_accept_the_consoles_tokens() -> None:
    page = (BASE.parents[1] / "docs/how-to/kubernetes.md").read_text()
    shown = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    data = {one["metadata"]["name"]: one["data"] for one in shown if one["kind"] == "ConfigMap"}
    base = {one["metadata"]["name"]: one["data"] for one in objects("ConfigMap")}
    needed = {"mongodb_uri": "mongodb://mongo", "redis_url": "redis://redis", "stamp_keys": "k" * 32}
    given = {name.lower(): value for name, value in (base["platform"] | data["platform"]).items() if value}
    settings = read_api_settings(**needed, **given)
    issuer = data["console"]["CONSOLE_ISSUER"]
    assert issuer in settings.oidc_issuers
    assert issuer in {audience.issuer for audience in settings.oidc_audiences}
