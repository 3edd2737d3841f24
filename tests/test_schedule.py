"""`voxpop jobs`: the scheduled work beside a stream that others read."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine

from tests.notify.test_heartbeat import watching
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.runner import schedule
from voxpop.settings import Settings


def test_the_named_jobs_run_before_any_model_has_read(engine: Engine, database_url: str) -> None:
    stop = threading.Event()
    with watching() as watch, App(Settings(database_url=database_url, heartbeat_url=watch.url)) as app:
        thread = threading.Thread(target=schedule, args=(app, ["heartbeat", "trends"], stop))
        thread.start()
        for _ in range(600):
            if watch.fetched:
                break
            threading.Event().wait(0.05)
        stop.set()
        thread.join()
    assert len(watch.fetched) == 1, "once a minute"


def test_a_job_that_is_not_there_is_an_error(engine: Engine, database_url: str) -> None:
    with App(Settings(database_url=database_url)) as app, pytest.raises(SettingError, match="heartbeat"):
        schedule(app, ["hartbeat"], threading.Event())
