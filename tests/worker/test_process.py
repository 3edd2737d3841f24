"""``voxpop worker`` as a process: its metrics, how it ends, and one process a device."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests import commands
from tests.kafka.broker import free_ports
from tests.worker.scene import wait_for
from voxpop import fleet
from voxpop.errors import SettingError
from voxpop.settings import Settings

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    """Starts a command on the test's own database; what is left is killed."""
    started: list[subprocess.Popen[bytes]] = []
    environ = {**os.environ, "VOXPOP_DATABASE_URL": database_url.replace("+psycopg", "")}

    def run(*arguments: str, **extra: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-m", "voxpop", *arguments], env={**environ, **extra}))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def ingest(database_url: str, folder: Path, count: int) -> None:
    """News in; every seventh has no text, which only cleaning finds out."""
    items = [
        {
            "source": "wire",
            "id": str(n),
            "channel": "news",
            "published_at": "2026-03-02T09:00:00Z",
            "text": "Apple shares fell" if n % 7 else "<p></p>",
        }
        for n in range(count)
    ]
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    commands.on(database_url)("ingest", str(path))


def scrape(port: int) -> dict[str, float]:
    """The samples that are served, by name and labels; none where nobody listens yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.URLError:
        return {}
    return {name: float(value) for name, value in (li.rsplit(" ", 1) for li in lines if not li.startswith("#"))}


def read(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(
            connection.execute(
                text("SELECT coalesce(sum(next_offset), 0) FROM positions WHERE consumer_group = 'prepare-news'")
            ).scalar_one()
        )


def test_a_worker_is_scraped_and_ends_on_sigterm(
    start: Start, engine: Engine, database_url: str, tmp_path: Path
) -> None:
    ingest(database_url, tmp_path, 21)
    with engine.connect() as connection:
        refused_at_the_door = connection.execute(text("SELECT count(*) FROM dead_letters")).scalar_one()
    accepted = 21 - refused_at_the_door
    (port,) = free_ports(1)
    process = start("worker", "news", VOXPOP_METRICS_PORT=str(port))
    wait_for(lambda: read(engine) == accepted)
    lag = 'voxpop_lag_records{group="prepare-news",partition="%d",topic="items.news"}'
    wait_for(lambda: all(scrape(port).get(lag % n) == 0 for n in range(4)))
    found = scrape(port)
    step = '{step="prepare-news"}'
    assert found[f"voxpop_records_total{step}"] == accepted
    assert found[f"voxpop_dead_letters_total{step}"] == 3 - refused_at_the_door
    assert found[f"voxpop_partitions{step}"] == 4
    assert found[f"voxpop_partitions_paused{step}"] == 0
    assert found[f"voxpop_rebalances_total{step}"] >= 1
    assert found[f"voxpop_queue_records{step}"] == found[f"voxpop_queue_bytes{step}"] == 0
    assert found[f"voxpop_store_seconds_count{step}"] >= 1
    assert found[f"voxpop_step_seconds_count{step}"] >= 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def neighbours() -> tuple[int, int]:
    """Two free ports side by side."""
    while True:
        (port,) = free_ports(1)
        with socket.socket() as next_one:
            try:
                next_one.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
        return port, port + 1


def children(process: subprocess.Popen[bytes]) -> set[int]:
    return {int(n) for n in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def test_one_process_a_device_is_started_again_when_it_dies_and_all_end_together(
    start: Start, engine: Engine, database_url: str, tmp_path: Path
) -> None:
    ports = neighbours()
    fleet_process = start("worker", "news", "--devices", "cpu,cpu", VOXPOP_METRICS_PORT=str(ports[0]))
    share = 'voxpop_partitions{step="prepare-news"}'

    def shared() -> bool:
        return all(scrape(port).get(share) == 2 for port in ports)

    wait_for(shared)
    first = children(fleet_process)
    assert len(first) == 2
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(children(fleet_process) - first) == 1)
    wait_for(shared)
    ingest(database_url, tmp_path, 6)
    wait_for(lambda: read(engine) >= 5)
    last = children(fleet_process)
    fleet_process.send_signal(signal.SIGTERM)
    assert fleet_process.wait(60) == 0
    assert not any(Path(f"/proc/{child}").exists() for child in last)


def test_no_process_outlives_the_one_that_leads_it(start: Start) -> None:
    ports = neighbours()
    leader = start("worker", "news", "--devices", "cpu,cpu", VOXPOP_METRICS_PORT=str(ports[0]))
    wait_for(lambda: all(scrape(port) for port in ports))
    led = children(leader)
    assert len(led) == 2
    leader.kill()
    leader.wait()
    wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in led))


def test_a_wrong_setting_is_not_tried_again(start: Start) -> None:
    assert start("worker", "analyst", "--devices", "cpu,cpu", VOXPOP_PROFILE="nowhere").wait(120) == os.EX_CONFIG


@pytest.mark.parametrize(
    ("wanted", "expected"), [("cpu", ["cpu"]), ("cuda:0, cuda:1", ["cuda:0", "cuda:1"]), ("cpu,cpu", ["cpu", "cpu"])]
)
def test_devices_are_those_named(wanted: str, expected: list[str]) -> None:
    assert fleet.devices(wanted, "analyst") == expected


def test_a_device_without_a_name_is_an_error() -> None:
    with pytest.raises(SettingError, match="cuda:0,,"):
        fleet.devices("cuda:0,,", "analyst")


def test_only_the_analyst_takes_a_gpu() -> None:
    assert fleet.devices("auto", "news") == ["cpu"]


def test_each_process_has_a_device_a_port_and_a_name_in_its_group_of_its_own() -> None:
    url = "kafka://u:p%40w@h:1,i:2?instance=desk&password_file=/a/b&session=6"
    settings = Settings(log_url=url, metrics_port=9100)
    first, second = (fleet.environ(settings, f"cuda:{n}", n) for n in (0, 1))
    assert (first["VOXPOP_DEVICE"], second["VOXPOP_DEVICE"]) == ("cuda:0", "cuda:1")
    assert (first["VOXPOP_METRICS_PORT"], second["VOXPOP_METRICS_PORT"]) == ("9100", "9101")
    names = [re.search(r"instance=([^&]*)", e["VOXPOP_LOG_URL"]) for e in (first, second)]
    assert [m and m[1] for m in names] == ["desk-device0", "desk-device1"]
    assert first["VOXPOP_LOG_URL"].startswith("kafka://u:p%40w@h:1,i:2?")
    assert "password_file=%2Fa%2Fb" in first["VOXPOP_LOG_URL"]
    assert fleet.environ(Settings(), "cpu", 0) == {"VOXPOP_DEVICE": "cpu"}
