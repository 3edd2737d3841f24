"""The chart: its values are checked, and what Helm makes of it is what Kubernetes takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.test_compose import OURS
from tests.deploy.tools import ROOT, program, read, script
from voxpop.records import TOPICS
from voxpop.settings import Settings

CHART = ROOT / "deploy" / "helm" / "voxpop"
VALUES: dict[str, Any] = read("deploy/helm/voxpop/values.yaml")
SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VERSIONS = ("1.29.0", "1.37.0")
ALL_ON = {
    "image": {"pullSecrets": [{"name": "registry"}]},
    "alertsConfigMap": "desk",
    "env": {"VOXPOP_RAW_DAYS": "7"},
    "analyst": {
        "device": "cuda:0",
        "imageTag": "0.1.0-gpu",
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "autoscaling": {"enabled": True, "bootstrapServers": "kafka:9092", "authenticationRef": "kafka"},
    },
    "jobs": {"names": ["feeds"], "heartbeat": True, "storage": {"className": "fast"}},
    "dashboard": {"ingress": {"enabled": True, "className": "nginx", "host": "v.example.org", "tlsSecret": "tls"}},
}
ALL_OFF = {
    "jobs": {"enabled": False},
    "dashboard": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
}


def rendered(tmp_path: Path, values: dict[str, Any], version: str = VERSIONS[-1]) -> list[dict[str, Any]]:
    """The objects that Helm makes of the chart."""
    path = tmp_path / "values.json"
    path.write_text(json.dumps(values), "utf-8")
    done = subprocess.run(
        [program("helm"), "template", "desk", str(CHART), "--values", str(path), "--kube-version", version],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        found["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: found["spec"]["template"][
            "spec"
        ]
        for found in objects
        if found["kind"] in ("Deployment", "Job")
    }


def test_the_values_are_what_their_schema_takes() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": {**VALUES["image"], "tag": "latest"}},
        {"env": {"VOXPOP_DATABASE_URL": "postgresql://a:b@c/d"}},
        {"analyst": {**VALUES["analyst"], "device": "gpu"}},
        {"consumers": {**VALUES["consumers"], "rumours": {"replicas": 1}}},
        {"secret": ""},
    ],
)
def test_values_that_would_go_wrong_later_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, **wrong}, SCHEMA)


@pytest.mark.parametrize("values", [{}, ALL_ON, ALL_OFF], ids=["default", "all on", "all off"])
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(tmp_path: Path, values: dict[str, Any], version: str) -> None:
    objects = rendered(tmp_path, values, version)
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]
    assert len(set(names)) == len(names) >= 4
    for found in objects:
        if found["kind"] != "ScaledObject":  # KEDA's, of which Kubernetes has no schema
            kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("values", [{}, ALL_ON], ids=["default", "all on"])
def test_no_pod_runs_as_root_or_unbounded_or_with_a_secret_in_its_environment(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    found = pods(rendered(tmp_path, values))
    assert found.keys() == {"news", "social", "analyst", "jobs", "dashboard", "migrate"}
    for pod in found.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]
            assert not container["image"].endswith(":latest")
            told = {variable["name"]: variable["value"] for variable in container.get("env", [])}
            Settings.load({k: v for k, v in told.items() if not k.endswith("_FILE")})
            assert not any("://" in value for value in told.values())


def test_each_command_is_one_that_compose_starts_too(tmp_path: Path) -> None:
    known = [service["command"] for service in OURS.values()]
    for name, pod in pods(rendered(tmp_path, {"jobs": {"names": ["feeds"]}})).items():
        assert pod["containers"][0]["command"] in known, name


def test_the_database_is_brought_up_to_date_before_anything_starts(tmp_path: Path) -> None:
    (job,) = [found for found in rendered(tmp_path, {}) if found["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_analysts_follow_the_lag_of_their_own_group_and_topic(tmp_path: Path) -> None:
    objects = rendered(tmp_path, ALL_ON)
    (scaled,) = [found for found in objects if found["kind"] == "ScaledObject"]
    (trigger,) = scaled["spec"]["triggers"]
    assert (trigger["type"], trigger["metadata"]["topic"]) == ("kafka", TOPICS["document"])
    assert trigger["metadata"]["consumerGroup"] == "analyst"
    assert trigger["metadata"]["bootstrapServers"] == "kafka:9092"
    assert trigger["authenticationRef"] == {"name": "kafka"}
    (target,) = [f for f in objects if f["kind"] == "Deployment" and f["metadata"]["name"] == "desk-analyst"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == target["metadata"]["name"]
    assert "replicas" not in target["spec"], "an upgrade must not undo what the scaler did"


def test_consumers_reach_nothing_but_names_database_and_log(tmp_path: Path) -> None:
    policies = {f["metadata"]["name"]: f["spec"] for f in rendered(tmp_path, {}) if f["kind"] == "NetworkPolicy"}
    for role in ("news", "social", "analyst", "dashboard"):
        (rule,) = policies[f"desk-{role}"]["egress"]
        assert {port["port"] for port in rule["ports"]} == {53, 5432, 9092}
    assert policies["desk-jobs"]["ingress"] == []


def test_the_gate_is_the_one_that_compose_has(tmp_path: Path) -> None:
    (config,) = [found for found in rendered(tmp_path, {}) if found["kind"] == "ConfigMap"]
    assert config["data"]["default.conf"].strip() == (ROOT / "deploy/gate/default.conf").read_text("utf-8").strip()


def test_the_health_check_of_the_dashboard_is_in_the_image(tmp_path: Path) -> None:
    probe = pods(rendered(tmp_path, {}))["dashboard"]["containers"][0]["livenessProbe"]["exec"]["command"]
    assert probe[:2] == ["python", "deploy/healthy.py"]
    assert callable(script("healthy.py")["healthy"])
