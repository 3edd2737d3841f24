"""The DAG files parse without a scheduler, hold the jobs of the table, and stay thin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voxpop.jobs import JOBS

DAGS = Path(__file__).parents[2] / "dags"
PARSE = """
import importlib.util, json, sys
found = {}
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("parsed", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from airflow.sdk.definitions.dag import DAG as Kind
    import gc
    for dag in [d for d in gc.get_objects() if isinstance(d, Kind)]:
        found[dag.dag_id] = {"tasks": sorted(dag.task_ids), "catchup": dag.catchup, "runs": dag.max_active_runs,
                             "retries": min(t.retries for t in dag.tasks)}
print(json.dumps({"dags": found, "torch": "torch" in sys.modules}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    pytest.importorskip("airflow.sdk", reason="Airflow is not installed: pip install 'voxpop[airflow]'")
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
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["torch"] is False, "parsing a DAG must not pay for torch"
    dags: dict[str, dict[str, object]] = found["dags"]
    return dags


def test_each_file_holds_one_dag_of_its_name(parsed: dict[str, dict[str, object]]) -> None:
    assert sorted(parsed) == sorted(path.stem for path in DAGS.glob("*.py"))


def test_no_two_runs_meet_none_catches_up_and_each_task_is_tried_again(parsed: dict[str, dict[str, object]]) -> None:
    for dag in parsed.values():
        assert (dag["catchup"], dag["runs"]) == (False, 1)
        assert isinstance(dag["retries"], int)
        assert dag["retries"] >= 1


def test_every_job_but_the_feeds_has_a_dag_and_none_names_a_job_that_is_not() -> None:
    source = "".join(path.read_text("utf-8") for path in DAGS.glob("*.py"))
    named = {job.name for job in JOBS if f'run_job("{job.name}")' in source}
    assert source.count("run_job(") == len(named)
    assert named == {job.name for job in JOBS} - {"feeds"}


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda p: p.name)
def test_a_dag_parses_delegates_and_ends(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 60
