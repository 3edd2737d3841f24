"""Airflow with a metadata database of its own, and its processes, for tests of the DAGs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import make_url

from tests.conftest import empty_database
from tests.deploy.tools import needs_airflow
from voxpop.settings import Settings

DAGS = Path(__file__).parents[2] / "dags"
DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Airflow:
    """An installation: its metadata database, and what its processes are told in their environment."""

    database_url: str
    """``postgresql+psycopg://``: on SQLite, processes that write at once refuse one another."""
    environ: Mapping[str, str]

    @property
    def home(self) -> Path:
        """The folder of its configuration and logs."""
        return Path(self.environ["AIRFLOW_HOME"])

    @contextmanager
    def copied(self, **more: str) -> Iterator[Airflow]:
        """One that starts from the same tables and changes its own, until the block ends."""
        with empty_database(self.database_url, template=make_url(self.database_url).database) as url:
            yield Airflow(url, {**self.environ, **more, **_at(url)})

    def commands(self, *commands: Sequence[str]) -> None:
        """Runs commands to their end, one after another in one process: most of what each takes is the import."""
        done = subprocess.run(
            [sys.executable, "-c", _COMMANDS, json.dumps(commands)],
            env=dict(self.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr


_COMMANDS = """
import json, sys
from airflow.__main__ import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["airflow", *arguments]
    main()
"""


def _at(database_url: str) -> dict[str, str]:
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database_url,
    }


@contextmanager
def installed(home: Path, server_url: str) -> Iterator[Airflow]:
    """A new installation over our DAGs with its pools, in a database of its own that goes with the block."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "VOXPOP"))}
    told = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__PARALLELISM": "2",
    }
    with empty_database(server_url) as url:
        airflow = Airflow(url, {**ours, **told, **_at(url)})
        airflow.commands(("db", "migrate"), ("pools", "import", str(DAGS / "pools.json")))
        yield airflow


@dataclass
class Ran:
    """A run of a DAG by ``dag.test()``."""

    state: str
    tasks: dict[str, str]
    tries: dict[str, int]
    torch: bool
    """Whether it imported torch."""


class Driver:
    """Runs DAGs by ``dag.test()`` in a process of its own, one after another."""

    def __init__(self, process: subprocess.Popen[str], settings: Settings) -> None:
        self._process, self._settings = process, settings

    def __call__(
        self,
        dag: str,
        *,
        conf: Mapping[str, str] | None = None,
        at: str | None = None,
        once: bool = False,
        **settings: str,
    ) -> Ran:
        """Runs the DAG over the test's database.

        Args:
            dag: its name.
            conf: what a person gives it.
            at: its logical date, whose data interval is the last one before; None: it has neither.
            once: whether a task that fails is given up at once.
            settings: of Voxpop, by their names.
        """
        ours = {"VOXPOP_DATABASE_URL": self._settings.database_url, "VOXPOP_HOME": str(self._settings.home)}
        environ = ours | {f"VOXPOP_{name.upper()}": value for name, value in settings.items()}
        asked = {"dag": dag, "conf": conf, "at": at, "once": once, "environ": environ}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        return Ran(**_answer(stdout))


def _answer(stdout: IO[str]) -> dict[str, Any]:
    """The next answer among what Airflow prints."""
    said = []
    for line in stdout:
        if line.startswith("RAN "):
            found: dict[str, Any] = json.loads(line.removeprefix("RAN "))
            return found
        said.append(line)
    raise AssertionError("the driver ended:\n" + "".join(said[-50:]))


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> Iterator[Airflow]:
    """An installation to copy from."""
    needs_airflow()
    with installed(tmp_path_factory.mktemp("airflow"), server_url) as airflow:
        yield airflow


@pytest.fixture(scope="package")
def driving(installation: Airflow) -> Iterator[subprocess.Popen[str]]:
    """The process that runs DAGs; it starts once."""
    with installation.copied() as airflow:
        process = subprocess.Popen(
            [sys.executable, str(DRIVER)],
            env=dict(airflow.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        yield process
        process.communicate()  # its end of file ends it


@pytest.fixture
def run(driving: subprocess.Popen[str], settings: Settings) -> Driver:
    """Runs a DAG by ``dag.test()`` over the test's database."""
    return Driver(driving, settings)
