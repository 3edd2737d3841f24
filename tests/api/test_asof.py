"""What the API gave as of a time it gives again, whatever is promoted, corrected or still being written meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pandas as pd
import pytest
from sqlalchemy import Engine, text

from tests.api.conftest import claim, says
from tests.store.samples import MODEL, WINDOW, document, reading, write
from tests.test_alerting import raised
from voxpop import jobs, pointintime
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.records import Entity
from voxpop.settings import Settings
from voxpop.store import models, trends, writer
from voxpop.store.locks import commit_order, settled

NEW = "test@2"
MARCH = {"entity": "acme", "start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"}


@pytest.fixture
def app(settings: Settings, engine: Engine) -> Iterator[App]:
    """Acmetron has been in the news for three hours."""
    with App(settings) as app:
        app.watch([Entity(id="acme", name="Acmetron")])
        bad = reading(document("bad", 0.5, "Acmetron has bad news"), "negative")
        claims = [claim("what", bad.document.text, "bad news", "asserted")]
        plain = [reading(document(f"plain{n}", n, f"Acmetron has plain news {n}"), "neutral") for n in (1, 2)]
        write(engine, [says(bad, claims, "debt_default", "Acmetron has failed to repay a debt."), *plain])
        with engine.begin() as connection:
            models.activate(connection, MODEL, "test")
        jobs.refresh_trends(app.surroundings(MODEL), datetime.now(UTC))
        yield app


@pytest.fixture
def api(app: App) -> Iterator[httpx.Client]:
    with serving(app) as url, httpx.Client(base_url=f"{url}v1/", trust_env=False) as client:
        yield client


def get(api: httpx.Client, path: str, **asked: Any) -> dict[str, Any]:
    answer = api.get(path, params=asked)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def promote(engine: Engine) -> None:
    """Makes another version count, which reads the plain news as good and claims nothing."""
    good = [reading(document(f"plain{n}", n, f"Acmetron has plain news {n}"), "positive") for n in (1, 2)]
    with engine.begin() as connection:
        writer.write_beside(connection, [msgspec.structs.replace(one, model=NEW) for one in good])
        trends.compute(connection, NEW, trends.windows(connection, datetime(2026, 1, 1, tzinfo=UTC)))
        models.activate(connection, NEW, "new", kind="promoted")


def test_a_promotion_leaves_what_was_known_before_it_as_it_was(api: httpx.Client, engine: Engine) -> None:
    asked: dict[str, dict[str, Any]] = {"entities": {}, "trends": MARCH, "claims": MARCH, "stories": MARCH}
    before = {path: get(api, path, **asked[path]) for path in asked}
    page = get(api, "trends", **MARCH, limit=1)
    promote(engine)
    for path, then in before.items():
        again = get(api, path, **asked[path], as_of=then["as_of"])
        assert then["items"]
        assert again["items"] == then["items"], path
    following = get(api, "trends", **MARCH, limit=2, cursor=page["next"])["items"]
    assert page["items"] + following == before["trends"]["items"], "pages are of one version"
    assert [point["model"] for point in get(api, "trends", **MARCH)["items"]] == [NEW] * 3


def test_an_alert_shows_the_cut_and_the_version_of_the_time(api: httpx.Client, engine: Engine) -> None:
    raised(engine, "a1")
    then = get(api, "alerts/a1")
    raised(engine, "a1", cut=6.5, model=NEW)
    assert (then["cut"], then["model"]) == (5.0, MODEL)
    assert get(api, "alerts/a1", as_of=then["available_at"]) == then
    now = get(api, "alerts/a1")
    assert (now["cut"], now["model"], now["revision"]) == (6.5, NEW, 2)


@contextmanager
def writing(engine: Engine) -> Iterator[None]:
    """Somebody else writes a fourth hour, and commits at the end."""
    with engine.begin() as connection:
        late = [reading(document("late", 3, "Acmetron has late news"), "neutral")]
        writer.write_readings(connection, late, retells=lambda a, b: a == b, story_window=WINDOW)
        trends.refresh(connection, MODEL)
        yield


def test_a_list_ends_below_what_is_still_being_written(api: httpx.Client, engine: Engine) -> None:
    with writing(engine):
        first = get(api, "trends", **MARCH)
        page = get(api, "trends", **MARCH, limit=1)
        ahead = get(api, "trends", **MARCH, as_of=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
        assert len(first["items"]) == 3
    now = get(api, "trends", **MARCH)
    assert len(now["items"]) == 4
    come = now["items"][-1]["available_at"]
    for read in (first, page, ahead):
        assert read["as_of"] < come < now["as_of"], "whoever goes on from there gets what was being written"
        assert get(api, "trends", **MARCH, as_of=read["as_of"])["items"] == first["items"]
    assert page["items"] + get(api, "trends", **MARCH, limit=9, cursor=page["next"])["items"] == first["items"]


def test_a_time_that_a_list_was_read_at_stays_settled(api: httpx.Client, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))  # begins, and writes later
        first = get(api, "trends", **MARCH)
        commit_order(connection)
        assert get(api, "trends", **MARCH)["as_of"] == first["as_of"]


def test_history_ends_below_what_is_still_being_written(app: App, engine: Engine) -> None:
    def history(as_of: datetime | str | None = None) -> pd.DataFrame:
        return pointintime.history("acme", "2026-03-01", "2026-04-01", as_of, app=app)

    with writing(engine):
        frames = [history(), history(datetime.now(UTC) + timedelta(hours=1))]
    now = history()
    assert [len(frame) for frame in (*frames, now)] == [3, 3, 4]
    for frame in frames:
        assert datetime.fromisoformat(frame.attrs["as_of"]) < now["available_at"].max()
        assert history(frame.attrs["as_of"]).equals(frame)


def test_who_may_not_see_when_others_began_waits_until_they_have_committed(engine: Engine) -> None:
    role = f"reader_{uuid.uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
    with ThreadPoolExecutor(1) as pool, engine.connect() as reader:
        reader.execute(text(f"SET LOCAL ROLE {role}"))
        with engine.begin() as connection:
            commit_order(connection)
            waits = pool.submit(settled, reader)
            with pytest.raises(TimeoutError):
                waits.result(0.5)
            last = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert waits.result(30) > last
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            commit_order(connection)  # the reader keeps no writer out
    with engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {role}"))
