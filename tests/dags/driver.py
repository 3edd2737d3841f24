"""Runs DAGs by ``dag.test()``, one after another: a request a line in, an answer a line out, until the input ends.

A process of its own, because Airflow reads its configuration when it is imported and logs to where it pleases.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import Any

from airflow.dag_processing.dagbag import DagBag


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Runs the DAG that is asked for, and says what became of its tasks."""
    for name in [name for name in os.environ if name.startswith("VOXPOP_")]:
        del os.environ[name]
    os.environ.update(asked["environ"])
    at = asked["at"] and datetime.fromisoformat(asked["at"])
    dag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags[asked["dag"]]
    if asked["once"]:
        for task in dag.tasks:
            task.retries = 0
    done = dag.test(logical_date=at, run_conf=asked["conf"])
    tasks = done.get_task_instances()
    return {
        "state": str(done.state),
        "tasks": {task.task_id: str(task.state) for task in tasks},
        "tries": {task.task_id: task.try_number for task in tasks},
        "torch": "torch" in sys.modules,
    }


def main() -> None:
    """Answers until the input ends."""
    for line in sys.stdin:
        print("RAN", json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
