"""The DAG files parse without a scheduler, hold the jobs of the table at its cadence, and stay light and thin."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import DAGS
from tests.deploy.tools import needs_airflow
from voxpop.jobs import JOBS

HEAVY = {"torch", "transformers", "numpy", "pandas", "scipy", "sqlalchemy", "psycopg", "httpx", "msgspec", "apprise"}
CADENCES = {"* * * * *": timedelta(minutes=1), "0 * * * *": timedelta(hours=1), "*/15 * * * *": timedelta(minutes=15)}
PARSE = """
import importlib.util, json, sys
from airflow.sdk import Asset, AssetAll, CronDataIntervalTimetable, DAG, dag, task
before, found = set(sys.modules), {}
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("parsed", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import gc
    for dag in [d for d in gc.get_objects() if isinstance(d, DAG)]:
        found[dag.dag_id] = {
            "tasks": sorted(dag.task_ids), "catchup": dag.catchup, "runs": dag.max_active_runs,
            "cron": getattr(dag.timetable, "expression", None),
            "assets": [a.uri for a in (getattr(dag.timetable, "asset_condition", None) or AssetAll()).objects],
            "outlets": [a.uri for t in dag.tasks for a in t.outlets],
            "retries": min(t.retries for t in dag.tasks), "pools": sorted({t.pool for t in dag.tasks}),
            "told": sorted({c.__name__ for t in dag.tasks for c in t.on_failure_callback}),
            "untold": [t.task_id for t in dag.tasks if not t.on_failure_callback],
            "bounded": all(t.execution_timeout for t in dag.tasks),
        }
print(json.dumps({"dags": found, "imported": sorted(set(sys.modules) - before)}))
"""
FOUND = dict[str, Any]


@pytest.fixture(scope="module")
def parsing(tmp_path_factory: pytest.TempPathFactory) -> FOUND:
    needs_airflow()
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE, *map(str, sorted(DAGS.glob("*.py")))],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: FOUND = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def parsed(parsing: FOUND) -> dict[str, FOUND]:
    dags: dict[str, FOUND] = parsing["dags"]
    return dags


def named(path: Path) -> list[str]:
    """The jobs that a DAG file runs."""
    return re.findall(r'run_job\("(\w+)"', path.read_text("utf-8"))


def test_each_file_holds_one_dag_of_its_name(parsed: dict[str, FOUND]) -> None:
    assert sorted(parsed) == sorted(path.stem for path in DAGS.glob("*.py"))


def test_parsing_imports_next_to_nothing_beyond_airflow(parsing: FOUND) -> None:
    assert not HEAVY & {name.partition(".")[0] for name in parsing["imported"]}
    ours = {name for name in parsing["imported"] if name.startswith("voxpop.")}
    assert ours <= {f"voxpop.{name}" for name in ("exact", "scheduled", "errors", "signals", "signals.windows")}


def test_no_two_runs_meet_none_catches_up_and_each_task_is_tried_again(parsed: dict[str, FOUND]) -> None:
    for dag in parsed.values():
        assert (dag["catchup"], dag["runs"], dag["bounded"]) == (False, 1, True)
        assert dag["retries"] >= 1


def test_operators_hear_of_every_task_that_fails(parsed: dict[str, FOUND]) -> None:
    for dag in parsed.values():
        assert (dag["told"], dag["untold"]) == (["tell_operators"], [])


def test_the_pools_are_those_that_are_shipped(parsed: dict[str, FOUND]) -> None:
    shipped = json.loads((DAGS / "pools.json").read_text("utf-8"))
    assert {pool for dag in parsed.values() for pool in dag["pools"]} == shipped.keys()


def test_every_job_but_the_feeds_has_a_dag_and_none_names_a_job_that_is_not() -> None:
    jobs = [name for path in DAGS.glob("*.py") for name in named(path)]
    assert sorted(jobs) == sorted({job.name for job in JOBS} - {"feeds"})


def test_a_job_runs_as_often_as_voxpop_run_would_run_it(parsed: dict[str, FOUND]) -> None:
    every = {job.name: job.every for job in JOBS}
    for name, dag in parsed.items():
        if dag["cron"] is not None:
            found = {every[job] for job in named(DAGS / f"{name}.py")}
            assert found == {CADENCES[dag["cron"]]}, name


def test_what_waits_for_an_asset_waits_for_one_that_is_made(parsed: dict[str, FOUND]) -> None:
    assert parsed["alerts"]["assets"] == parsed["trends"]["outlets"] == ["x-voxpop://trends"]


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda p: p.name)
def test_a_dag_parses_delegates_and_ends(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 60
