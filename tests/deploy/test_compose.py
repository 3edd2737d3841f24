"""The containers: the file is what Compose takes, starts only what exists, and gives nothing away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from sqlalchemy.engine import make_url

from tests.deploy.tools import ROOT, needs_airflow, read, script
from voxpop import alertsfile
from voxpop.settings import Settings

FILE: dict[str, Any] = read("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("voxpop:")}
SECRETS = "/run/secrets/"


def every(value: Any) -> Iterator[str]:
    """Each text in a tree."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (str(key), *every(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from every(inner)
    else:
        yield str(value)


def test_the_file_is_what_the_compose_specification_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_pinned_bounded_watched_and_without_rights(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+[\w.-]*$", service["image"]), "pinned by version"
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "no" or "healthcheck" in service
    assert service.get("read_only") or name == "kafka", "whose start writes its settings beside its programs"


def test_ports_are_open_on_loopback_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_secrets_are_files_that_are_declared_and_made_and_no_environment_holds_one(tmp_path: Path) -> None:
    script("env.py")["make"](tmp_path)
    declared = {name: secret["file"] for name, secret in FILE["secrets"].items()}
    assert all((tmp_path / path).is_file() for path in declared.values())
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == declared.keys()
    for service in SERVICES.values():
        used = {text.partition(SECRETS)[2].split()[0] for text in every(service) if SECRETS in text}
        assert used <= set(service.get("secrets", []))
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|CONN|FERNET|_URL", variable) and "://" not in value:
                assert value.removeprefix("cat ").startswith((SECRETS, "/var/lib/airflow/")), variable
            assert "@" not in value or variable == "KAFKA_CONTROLLER_QUORUM_VOTERS"


def test_every_variable_of_the_file_is_in_the_made_env(tmp_path: Path) -> None:
    script("env.py")["make"](tmp_path)
    made = set(re.findall(r"^(\w+)=", (tmp_path / ".env").read_text(), re.M))
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert asked == made - {"COMPOSE_PROFILES"}
    assert "COMPOSE_PROFILES=cpu\n" in (tmp_path / ".env").read_text()


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_container_are_settings(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://a:b@c/d")
    given = {k: v for k, v in OURS[name]["environment"].items() if k.startswith("VOXPOP_")}
    settings = Settings.load({k: str(tmp_path / "secret") if SECRETS in v else v for k, v in given.items()})
    assert settings.database_url == "postgresql://a:b@c/d"
    assert settings.log_url == "kafka://kafka:9092"


def test_the_shipped_alerts_file_can_be_read_and_tells_nobody() -> None:
    rules = alertsfile.load(str(ROOT / "deploy/desk/alerts.toml"), "")
    assert (rules.receivers, rules.dashboard) == ({}, "http://127.0.0.1:8350")


def commands(first: str) -> list[list[str]]:
    return [service["command"] for service in OURS.values() if service["command"][0] == first]


def test_every_command_of_ours_exists() -> None:
    import voxpop.cli
    from voxpop.cli import jobs, stream, system, worker  # noqa: F401 - their commands register themselves

    found = commands("voxpop")
    assert len(found) >= 5
    tree = typer.main.get_command(voxpop.cli.app)
    for _, *words in found:
        command: Any = tree
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("voxpop", words)


def test_every_consumer_that_is_started_is_a_file() -> None:
    assert {command[1] for command in commands("python")} == {"consumers/news.py", "consumers/social.py"}
    assert all((ROOT / command[1]).is_file() for command in commands("python"))


def test_every_command_of_airflow_exists(tmp_path: Path) -> None:
    needs_airflow()
    parse = "import json, sys; from airflow.cli.cli_parser import get_parser; p = get_parser();"
    parse += "[p.parse_args(words) for words in json.loads(sys.argv[1])]"
    words = [command[1:] for command in commands("airflow")]
    assert [first for first, *_ in words] == ["api-server", "scheduler", "dag-processor", "triggerer"]
    subprocess.run(
        [sys.executable, "-c", parse, json.dumps(words)],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_airflow_starts_from_its_secrets_on_postgresql(empty_url: str, tmp_path: Path) -> None:
    """The command of airflow-migrate, with the container's paths and server replaced by the test's."""
    needs_airflow()
    script("env.py")["make"](tmp_path)
    plain = make_url(empty_url).render_as_string(hide_password=False)
    (tmp_path / "secrets" / "airflow_database_url").write_text(plain)
    home = tmp_path / "airflow"
    home.mkdir()

    def here(text: str) -> str:
        return text.replace(SECRETS, f"{tmp_path}/secrets/").replace("/var/lib/airflow", str(home))

    service = SERVICES["airflow-migrate"]
    given = {k: here(v) for k, v in service["environment"].items() if k.startswith("AIRFLOW")}
    program, *flags, line = service["command"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, **given, "AIRFLOW_HOME": str(home), "PATH": path}
    done = subprocess.run([program, *flags, here(line)], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(make_url(empty_url).set(drivername="postgresql").render_as_string(False)) as connection:
        pools = connection.execute("SELECT pool FROM slot_pool").fetchall()
    assert {"voxpop", "voxpop_slow"} <= {name for (name,) in pools}
    assert (home / "users.json").stat().st_mode & 0o777 == 0o600
    ask = "from airflow.configuration import conf; print(conf.get('api_auth', 'jwt_secret')); "
    ask += "from airflow import settings; print(settings.async_engine.url.drivername)"
    said = subprocess.run([sys.executable, "-c", ask], env=environ, capture_output=True, text=True, check=True)
    secret, driver = said.stdout.split()[-2:]
    assert secret == (tmp_path / "secrets" / "airflow_jwt_secret").read_text()
    assert driver == "postgresql+psycopg"
