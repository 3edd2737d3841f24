"""The secrets are random, whole, for one person's eyes, and never made twice; a gate and a check that use them."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.deploy.tools import ROOT, program, script
from tests.kafka.broker import free_ports

make = script("env.py")["make"]
healthy = script("healthy.py")["healthy"]


def test_every_file_is_for_its_owner_alone_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    made = make(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in made}
    assert ".env" in before
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in made} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert make(tmp_path) == []
    assert {name: (tmp_path / name).read_bytes() for name in made} == before
    assert sorted(p.name for p in (tmp_path / "secrets").iterdir()) == sorted(
        name.removeprefix("secrets/") for name in made if name != ".env"
    )


def test_two_installations_share_no_secret_and_none_is_short(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    names = [name for name in make(tmp_path / "a") if not name.endswith("heartbeat_url")]
    make(tmp_path / "b")
    for name in names:
        a, b = ((tmp_path / folder / name).read_text() for folder in "ab")
        assert a != b
        assert len(a) >= 32


def test_a_password_that_was_there_before_is_the_one_in_the_urls(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres").write_text("kept\n")
    make(tmp_path)
    assert (tmp_path / "secrets" / "postgres").read_text() == "kept\n"
    assert (tmp_path / "secrets" / "database_url").read_text() == "postgresql://voxpop:kept@postgres:5432/voxpop\n"
    users = json.loads((tmp_path / "secrets" / "airflow_users").read_text())
    assert users == {"admin": (tmp_path / "secrets" / "airflow").read_text()}


class Upstream(BaseHTTPRequestHandler):
    """Answers with what it was asked, as the dashboard would see it."""

    def do_GET(self) -> None:
        part = {"status": "healthy" if self.path == "/up" else "unhealthy"}
        told = {"host": self.headers["host"], "authorization": self.headers["authorization"], "triggerer": part}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_health_check_tells_up_from_down(upstream: int) -> None:
    url = f"http://127.0.0.1:{upstream}"
    assert healthy(f"{url}/up")
    assert healthy(f"{url}/up", "triggerer")
    assert not healthy(f"{url}/down", "triggerer")
    assert not healthy(f"{url}/up", "scheduler")
    assert not healthy(f"http://127.0.0.1:{free_ports(1)[0]}/")


@pytest.fixture
def gate(upstream: int, tmp_path: Path) -> Iterator[int]:
    """A real nginx with the gate's file, whose ports and password file are the test's."""
    nginx, (port,) = program("nginx"), free_ports(1)
    make(tmp_path)
    conf = (ROOT / "deploy/gate/default.conf").read_text("utf-8")
    for old, new in (
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ("127.0.0.1:8350", f"127.0.0.1:{upstream}"),
        ("/run/secrets/", f"{tmp_path}/secrets/"),
    ):
        assert old in conf
        conf = conf.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; {user} pid {tmp_path}/pid; error_log {tmp_path}/errors; events {{}}"
        f" http {{ access_log off; {temporary} {conf} }}"
    )
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-e", f"{tmp_path}/errors", "-c", f"{tmp_path}/nginx.conf"])
    for _ in range(200):
        if healthy(f"http://127.0.0.1:{port}/gate"):
            break
        assert process.poll() is None, (tmp_path / "errors").read_text()
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait()


def test_the_gate_lets_in_who_has_the_password_and_names_the_dashboard_by_loopback(gate: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{gate}/"
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(url)
    refused.value.close()
    word = (tmp_path / "secrets" / "dashboard").read_text()
    for given, let_in in ((word, True), (word + "x", False)):
        passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
        passwords.add_password(None, url, "desk", given, is_authenticated=True)
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
        if not let_in:
            with pytest.raises(urllib.error.HTTPError, match="401") as wrong:
                opener.open(url)
            wrong.value.close()
            continue
        with opener.open(url) as answer:
            seen = json.load(answer)
        assert seen["host"].startswith("127.0.0.1:")
        assert seen["authorization"] is None, "the password is the gate's alone"
