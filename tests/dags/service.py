"""An Airflow on loopback: its processes in a session of their own, which ends with the block.

There is no triggerer: none of our tasks defers, and a process that is not needed costs the others seconds.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import psutil
from sqlalchemy import Engine, create_engine, text

from tests.dags.conftest import Airflow

PROCESSES = ("api-server", "dag-processor", "scheduler --skip-serve-logs")
_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 300.0
"""The API server starts beside three others, and on a busy machine has kept a caller for a minute."""


class Run(NamedTuple):
    """A run of a DAG as Airflow's tables have it."""

    dag: str
    kind: str
    """scheduled, asset_triggered, backfill or manual."""
    state: str


class Service:
    """A running Airflow."""

    def __init__(self, airflow: Airflow, tables: Engine, http: httpx.Client, leader: int) -> None:
        self._airflow, self._tables, self._http, self._leader = airflow, tables, http, leader

    def runs(self) -> list[Run]:
        """Every run so far, in order."""
        return [Run(*row) for row in self._rows("SELECT dag_id, run_type, state FROM dag_run ORDER BY id")]

    def tasks(self) -> list[tuple[Any, ...]]:
        """(DAG, task, state) of every task instance so far; the state may be None yet."""
        return self._rows("SELECT dag_id, task_id, state FROM task_instance ORDER BY id")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._tables.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def answers(self) -> bool:
        """Whether its API serves."""
        with suppress(httpx.TransportError):
            return self._http.get("/api/v2/version").is_success
        return False

    def backfill(self, dag: str, at: datetime) -> None:
        """Asks for the run of the interval that begins at ``at``."""
        token = self._http.get("/auth/token").raise_for_status().json()["access_token"]
        span = {"dag_id": dag, "from_date": at.isoformat(), "to_date": at.isoformat()}
        allowed = {"Authorization": f"Bearer {token}"}
        done = self._http.post("/api/v2/backfills", json=span, headers=allowed)
        assert done.is_success, f"{done.status_code} {done.text}\n{self.said()}"

    def pids(self) -> list[int]:
        """The processes that are left of the session."""
        found = []
        for pid in psutil.pids():
            with suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) == self._leader:
                    found.append(pid)
        return found

    def listening(self) -> set[str]:
        """The addresses that its processes listen on."""
        found = set()
        for pid in self.pids():
            with suppress(psutil.Error):
                found |= {c.laddr.ip for c in psutil.Process(pid).net_connections("inet") if c.status == "LISTEN"}
        return found

    def said(self) -> str:
        """The end of what the processes printed."""
        return "".join(path.read_text("utf-8", "replace")[-4000:] for path in sorted(self._airflow.home.glob("*.out")))


@contextmanager
def running(installation: Airflow, environ: Mapping[str, str]) -> Iterator[Service]:
    """Airflow over our DAGs, all of them switched on, from a copy of ``installation``; it ends with the block."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with installation.copied(
        **environ,
        AIRFLOW__API__HOST="127.0.0.1",
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__API__WORKERS="1",
        AIRFLOW__API__BASE_URL=url,
        AIRFLOW__API_AUTH__JWT_SECRET=secrets.token_hex(32),
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{url}/execution/",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="true",
        AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="false",
    ) as airflow:
        commands = [
            f'"{sys.executable}" -m airflow {process} >"$AIRFLOW_HOME/{process.split()[0]}.out" 2>&1 &'
            for process in PROCESSES
        ]
        leader = subprocess.Popen(
            ["/bin/sh", "-c", "\n".join([*commands, "wait"])], env=dict(airflow.environ), start_new_session=True
        )
        tables = create_engine(airflow.database_url)
        with httpx.Client(base_url=url, timeout=_ANSWER_SECONDS, trust_env=False) as http:
            service = Service(airflow, tables, http, leader.pid)
            try:
                yield service
            finally:
                _end(service, leader)
                tables.dispose()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(service: Service, leader: subprocess.Popen[bytes]) -> None:
    """Asks every process of the session to end, and kills what has not.

    A task is in a process group of its own, so it is the session and not the group that holds all of them.
    """
    for number, patience in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _STOP_SECONDS)):
        for pid in service.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            leader.poll()
            if not service.pids():
                return
            time.sleep(0.2)
    raise AssertionError(f"processes {service.pids()} do not end")
