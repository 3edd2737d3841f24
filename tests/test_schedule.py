"""`voxpop jobs`: the scheduled work beside a stream that others read."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler

import msgspec
import pytest
from sqlalchemy import Engine

from tests.notify.test_heartbeat import watching
from tests.sources.loopback import serving
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.jobs import Job, Surroundings
from voxpop.runner import schedule, tick
from voxpop.settings import Settings
from voxpop.sources.feeds import Feed
from voxpop.store import feeds


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


def test_what_follows_a_job_follows_it_in_the_same_round_however_long_another_took(
    engine: Engine, database_url: str
) -> None:
    rounds: list[list[str]] = []
    stop = threading.Event()

    def job(name: str, every: float, seconds: float = 0.0) -> Job:
        def function(_: Surroundings, __: datetime) -> int:
            rounds[-1].append(name)
            time.sleep(seconds)
            return 0

        return Job(name=name, every=timedelta(seconds=every), function=function)

    def begin() -> int:
        rounds.append([])
        if len(rounds) == 9:
            stop.set()
        return 0

    table = [job("trends", 2), job("calibrate", 60, seconds=2.5), job("alerts", 2)]
    with App(Settings(database_url=database_url)) as app:
        around = app.surroundings("")
        tick(table, lambda _: around, stop, begin, drain_seconds=1.0)
    assert rounds[0] == ["trends", "calibrate", "alerts"]
    assert all(one in ([], ["trends", "alerts"]) for one in rounds[1:]), "judged when computed, not a round later"
    assert sum(map(bool, rounds)) > 3


def test_a_feed_that_does_not_answer_keeps_no_other_job_waiting_and_no_stop_beyond_its_deadline(
    engine: Engine, database_url: str
) -> None:
    asked, answer, stop = threading.Event(), threading.Event(), threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        asked.set()
        answer.wait(30)

    settings = Settings(database_url=database_url, feed_private_addresses=True, drain_seconds=0.5)
    with serving() as site, watching() as watch, App(replace(settings, heartbeat_url=watch.url)) as app:
        site.pages["/slow"] = hang
        with engine.begin() as connection:
            feeds.add(connection, "slow", msgspec.to_builtins(Feed(url=site.url("/slow"), name="slow")))
        thread = threading.Thread(target=schedule, args=(app, ["feeds", "heartbeat"], stop))
        thread.start()
        assert asked.wait(30)
        for _ in range(100):
            if watch.fetched:
                break
            time.sleep(0.05)
        stop.set()
        thread.join(10)
        ended, told = not thread.is_alive(), list(watch.fetched)
        answer.set()
        for left in [one for one in threading.enumerate() if one.name == "feeds"]:
            left.join()
        thread.join()
    assert told, "the sign of life was given while the feed was waited for"
    assert ended


def test_a_job_that_is_not_there_is_an_error(engine: Engine, database_url: str) -> None:
    with App(Settings(database_url=database_url)) as app, pytest.raises(SettingError, match="heartbeat"):
        schedule(app, ["hartbeat"], threading.Event())
