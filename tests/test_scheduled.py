"""What Airflow's tasks call, without Airflow: who hears of a failure, and which moment a job is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.notify.loopback import Hook, hook
from voxpop import scheduled
from voxpop.errors import SettingError


@pytest.fixture
def operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """Two operators, the first of whom nobody answers for."""
    with hook() as web:
        lines = ['[receivers.away]\nwebhook = "http://127.0.0.1:1"\nsecret = "s3cret"']
        lines += [f'[receivers.duty]\nwebhook = "{web.url}"\nsecret = "s3cret"']
        lines += ['[operators]\nreceivers = ["away", "duty"]']
        (tmp_path / "alerts.toml").write_text("\n".join(lines))
        monkeypatch.setenv("VOXPOP_ALERTS_FILE", str(tmp_path / "alerts.toml"))
        monkeypatch.setenv("VOXPOP_HOME", str(tmp_path))
        yield web


def failure(error: object, task: str = "refresh") -> dict[str, Any]:
    instance = SimpleNamespace(dag_id="trends", task_id=task, run_id="scheduled__1", try_number=4)
    return {"task_instance": instance, "exception": error}


def test_one_operator_who_is_away_keeps_no_other_from_hearing(operators: Hook) -> None:
    scheduled.tell_operators(failure(ValueError("no such row\nDETAIL: a document's words")))
    (post,) = operators.posts
    said = json.loads(post.body)
    assert said["text"] == "ValueError: no such row\nRun scheduled__1, try 4."
    assert b"a document's words" not in post.body


def test_of_one_task_they_hear_once_an_hour(operators: Hook, tmp_path: Path) -> None:
    for task in ("refresh", "refresh", "relink"):
        scheduled.tell_operators(failure(None, task))
    assert [json.loads(post.body)["task"] for post in operators.posts] == ["refresh", "relink"]
    note = tmp_path / "failures" / "trends.refresh"
    note.write_text((datetime.now(UTC) - timedelta(minutes=61)).isoformat())
    scheduled.tell_operators(failure(None))
    assert len(operators.posts) == 3


def test_whom_nobody_could_tell_is_told_the_next_time(operators: Hook) -> None:
    operators.answers = [500]
    for _ in range(2):
        scheduled.tell_operators(failure("killed by a signal\nand more"))
    first, second = (json.loads(post.body) for post in operators.posts)
    assert first["key"] == second["key"]
    assert first["error"] == "killed by a signal"


def test_without_operators_a_failure_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VOXPOP_HOME", str(tmp_path))
    monkeypatch.delenv("VOXPOP_ALERTS_FILE", raising=False)
    scheduled.tell_operators(failure(ValueError("no such row")))
    assert "names no [operators]" in caplog.text


def test_a_job_that_is_not_is_refused() -> None:
    with pytest.raises(SettingError, match="no job is called 'trend'"):
        scheduled.run_job("trend")
