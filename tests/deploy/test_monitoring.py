"""Rules and dashboard speak of metrics that exist, and the rules fire when they should."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from tests.deploy.tools import ROOT, program, read
from voxpop import metrics

FOLDER = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/voxpop.json").read_text("utf-8"))
RULES = [rule for group in read("deploy/prometheus/rules.yml")["groups"] for rule in group["rules"]]
ALERTED = [rule["expr"] for rule in RULES]
DRAWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def served() -> dict[str, set[str]]:
    """The labels of each series that our processes serve."""
    return {
        family.name + suffix: set(collector._labelnames)
        for collector in vars(metrics).values()
        if isinstance(collector, (Counter, Gauge, Histogram))
        for family in collector.collect()
        for suffix in _SUFFIXES[family.type]
    }


@pytest.mark.parametrize("expression", [*ALERTED, *DRAWN])
def test_every_metric_of_a_rule_or_panel_is_served(expression: str) -> None:
    names = set(re.findall(r"\bvoxpop_\w+", expression))
    assert names <= served().keys()
    assert names or re.search(r"\bup\{|\bALERTS\{", expression)


@pytest.mark.parametrize("expression", [*ALERTED, *DRAWN])
def test_every_label_that_is_asked_for_is_one_of_the_metric(expression: str) -> None:
    """Prometheus adds job, instance and, by its settings, role; le is a histogram's."""
    labels = served()
    for name, chosen in re.findall(r"\b(voxpop_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)[=!]", chosen)) <= labels[name] | {"job", "instance", "role"}
    named = {label for name in re.findall(r"\bvoxpop_\w+", expression) for label in labels[name]}
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(group.split(", ")) <= named | {"job", "instance", "role", "le", "alertname"}


def test_every_metric_is_drawn_or_alerts() -> None:
    used = " ".join([*ALERTED, *DRAWN])
    bases = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in served()}
    assert {base for base in bases if base not in used} == set()


def test_what_is_scraped_are_the_consumers_that_compose_starts() -> None:
    (scrape,) = read("deploy/prometheus/prometheus.yml")["scrape_configs"]
    (found,) = scrape["dns_sd_configs"]
    services = read("docker-compose.yml")["services"]
    ports = {n: s["environment"].get("VOXPOP_METRICS_PORT") for n, s in services.items() if "environment" in s}
    assert sorted(found["names"]) == sorted(name for name, port in ports.items() if port == str(found["port"]))
    assert not {port for port in ports.values() if port} - {str(found["port"])}


def test_every_rule_says_how_grave_it_is_and_what_is_the_matter() -> None:
    assert {rule["labels"]["severity"] for rule in RULES} == {"warning", "critical"}
    assert all(rule["annotations"]["summary"] for rule in RULES)
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("words", [("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yml")])
def test_prometheus_takes_the_files_and_the_rules_fire_when_they_should(words: tuple[str, ...]) -> None:
    done = subprocess.run([program("promtool"), *words], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_the_dashboard_and_its_source_where_compose_puts_them() -> None:
    (source,) = read("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = read("deploy/grafana/provisioning/dashboards/voxpop.yml")["providers"]
    mounted = dict(
        volume.split(":")[1::-1] for volume in read("docker-compose.yml")["services"]["grafana"]["volumes"][:2]
    )
    folder = Path(mounted[provider["options"]["path"]])
    assert (ROOT / folder / "voxpop.json").is_file()
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
