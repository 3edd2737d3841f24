"""Another model version that has read nothing of the past: it raises no storm, and a real surge is still told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import make_url

from tests.conftest import empty_database, new_database
from tests.notify.loopback import hook
from tests.store import samples
from tests.test_shadow import NEW, OLD, scripted
from voxpop import jobs, shadow
from voxpop.alarms import history
from voxpop.alarms.history import Learning
from voxpop.alertsfile import Rules
from voxpop.api.figures import told
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.models.reader import Reader
from voxpop.reading import read
from voxpop.records import Alert, Document, Entity
from voxpop.settings import Settings
from voxpop.store import alerts, watchlist
from voxpop.store.shadow import Day
from voxpop.why import Answer, why

COMPANIES = ("acme", "bolt", "calm", "dory")
DAYS = 35
"""Before the change."""
DAY = timedelta(days=1)
LAST = samples.START + DAYS * DAY - timedelta(hours=1.7)
"""The last publication before it."""


class Changed(App):
    """The program over two scripted profiles that agree on every text."""

    def reader_of(self, profile: str) -> Reader:
        return scripted("bad", {"old": OLD, "new": NEW}[profile])


@pytest.fixture(scope="module")
def five_weeks(server_url: str, home: Path) -> Iterator[str]:
    """The name of a database in which the old version has read and judged as much."""
    with new_database(server_url) as url:
        with Changed(Settings(database_url=url, home=home, profile="old")) as app:
            app.begin_reading()
            tell(app, ordinary(0, DAYS))
        yield str(make_url(url).database)


@pytest.fixture
def database_url(server_url: str, five_weeks: str) -> Iterator[str]:
    """A copy of it."""
    with empty_database(server_url, template=five_weeks) as url:
        yield url


@pytest.fixture
def old(settings: Settings) -> Iterator[App]:
    """The old version counts."""
    with Changed(replace(settings, profile="old")) as app:
        app.begin_reading()
        yield app


@pytest.fixture
def new(old: App) -> Iterator[App]:
    """The settings name another profile, and the process was started again."""
    with Changed(replace(old.settings, profile="new")) as app:
        app.begin_reading()
        yield app


def ordinary(first: float, last: float) -> list[Document]:
    """Days of four companies, each with a story every two hours, of which one in four is bad."""
    found = []
    for n in range(round(first * 12), round(last * 12)):
        for at, name in enumerate(COMPANIES):
            body = f"{'bad' if n % 4 == at else 'plain'} {n} of {name}"
            found.append(samples.document(f"{name}{n}", 2 * n + 0.1 * at, body, entities=(name,)))
    return found


def tell(app: App, documents: Sequence[Document]) -> list[Alert]:
    """Has them read by the version that counts, and the jobs run; the alerts that this raises."""
    samples.write(app.engine, read(documents, app.reader()))
    around = app.surroundings(app.reader().version)
    now = max(document.published_at for document in documents)
    with app.engine.connect() as connection:
        before = {alert.id for alert in alerts.stored(connection)}
    for job in (jobs.refresh_trends, jobs.calibrate, jobs.raise_alerts, jobs.raise_by_rules, jobs.raise_by_drift):
        job(around, now)
    with app.engine.connect() as connection:
        return [alert for alert in alerts.stored(connection) if alert.id not in before]


def weeks(app: App, first: float, last: float) -> list[Alert]:
    """These ordinary days, told in halves; the last may be shorter."""
    halves = [first + n / 2 for n in range(math.ceil(2 * (last - first)))]
    return [alert for at in halves for alert in tell(app, ordinary(at, min(at + 1 / 2, last)))]


def surge(day: float, *, word: str, stories: int = 14) -> list[Document]:
    """Of one company, within two hours."""
    bodies = [f"{word} {n} of day {day}" for n in range(stories)]
    return [samples.document(body, 24 * day + n / 7, body) for n, body in enumerate(bodies)]


def learns(app: App, model: str = NEW) -> Learning | None:
    with app.engine.connect() as connection:
        return history.learns(connection, model)


def test_ordinary_opinion_raises_no_storm_when_another_version_counts(new: App) -> None:
    assert weeks(new, DAYS, DAYS + 7) == []
    assert learns(new) == Learning(NEW, OLD, LAST, samples.START + DAYS * DAY)
    assert weeks(new, DAYS + 7, DAYS + 28) == []
    assert learns(new) is None
    with new.engine.connect() as connection:
        own = [at for at, _ in alerts.cuts(connection, "surge", NEW)]
    assert own == [samples.START + (DAYS + days) * DAY for days in (7, 14, 21)], "each rests on what it has read"


@pytest.mark.parametrize("word", ["bad", "plain"])
def test_while_it_learns_a_real_surge_is_found_by_the_number_of_its_stories(new: App, word: str) -> None:
    assert weeks(new, DAYS, DAYS + 2) == []
    (alert,) = tell(new, surge(DAYS + 2, word=word))
    assert (alert.entity, alert.rule, alert.model) == ("acme", "surge", NEW)
    assert alert.score >= alert.cut
    assert (alert.negative_stories, alert.unread_stories) == (0, 0), "opinions are not asked"
    assert len(alert.evidence) >= 3
    assert [a.id for a in weeks(new, DAYS + 2 + 1 / 4, DAYS + 9)] == [], "what it learned raises nothing of the past"


def test_once_it_has_learned_it_is_judged_by_its_opinions(new: App) -> None:
    weeks(new, DAYS, DAYS + 12)
    assert tell(new, surge(DAYS + 12, word="fine plain", stories=4)) == []
    (alert,) = tell(new, surge(DAYS + 12, word="bad"))
    assert (alert.entity, alert.rule, alert.model) == ("acme", "surge", NEW)
    assert alert.negative_stories >= 14


def test_a_version_that_read_the_past_in_the_shadow_does_not_learn(old: App) -> None:
    with Changed(replace(old.settings, shadow_profile="new")) as both:
        shadow.catch_up(both, "new")
    with Changed(replace(old.settings, profile="new")) as app:
        app.begin_reading()
        assert learns(app) is None
        weeks(app, DAYS, DAYS + 1 / 4)
        (alert,) = tell(app, surge(DAYS + 1 / 2, word="bad"))
    assert alert.negative_stories >= 14


def test_the_way_back_is_short_for_who_missed_little(old: App) -> None:
    with Changed(replace(old.settings, profile="new")) as app:
        app.begin_reading()
        tell(app, ordinary(DAYS, DAYS + 1 / 12))
    old.begin_reading()
    assert learns(old, OLD) is None


def test_operators_hear_of_it_once_and_the_log_says_it_too(
    old: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hook() as site:
        file = tmp_path / "alerts.toml"
        file.write_text(f'[receivers.duty]\nwebhook = "{site.url}"\nsecret = "s"\n[operators]\nreceivers = ["duty"]\n')
        for _ in range(2):
            with Changed(replace(old.settings, profile="new", alerts_file=str(file), home=tmp_path)) as app:
                app.begin_reading()
                for minute in range(3):
                    jobs.notify(app.surroundings(NEW), datetime.now(UTC) + timedelta(minutes=minute))
        (post,) = site.posts
    said = json.loads(post.body)
    assert said["notice"] == "learning"
    assert said["until"] == (samples.START + (DAYS + 7) * DAY).isoformat()
    assert "new@1 counts in place of old@1 since 2026-04-05 22:18 UTC" in post.body.decode()
    assert "`voxpop models promote`" in post.body.decode()
    assert [r.levelname for r in caplog.records if "counts in place of old@1" in r.message] == ["WARNING"]


def asked(app: App, day: float) -> Answer:
    at, now = samples.START + day * DAY, datetime.now(UTC)
    with app.engine.connect() as connection:
        return why(connection, "acme", NEW, Rules(), at, now, timedelta(hours=12))


def test_why_names_it_and_lets_a_surge_through(new: App) -> None:
    with new.engine.begin() as connection:
        watchlist.replace(connection, [Entity(id="acme", name="Acmetron")])
    weeks(new, DAYS, DAYS + 1)
    gate = asked(new, DAYS + 1).stopped_by
    assert gate is not None
    assert gate.name == "learning"
    assert "until 2026-04-13 00:00 the number of stories alone can alarm" in told("en", gate)
    assert "2026-04-13 00:00 之前仅凭报道数量预警" in told("zh", gate)
    tell(new, surge(DAYS + 1, word="plain"))
    gate = asked(new, DAYS + 1.2).stopped_by
    assert gate is not None
    assert gate.name == "routing", "it was raised, and nobody is on a route"


def test_the_page_of_the_system_says_it(new: App) -> None:
    with serving(new) as url:
        page = httpx.get(f"{url.rstrip('/')}/system").text
    assert 'id="learning"' in page
    assert "until 2026-04-13 00:00 (UTC) surges and disputes are found by the number of stories alone" in page


@pytest.mark.parametrize(
    ("unread", "days"),
    [((0, 0, 0), None), ((0, 0, 9), None), ((100, 100, 9), 2), ((100, 100, 11), 3), ((0, 100, 0), 2), ((), None)],
)
def test_a_version_has_read_from_the_midnight_after_it_missed_much_of_a_day(
    unread: tuple[int, ...], days: int | None
) -> None:
    of = [Day(samples.START + n * DAY, 100, missed) for n, missed in enumerate(unread)]
    assert history.read_from(of) == (None if days is None else samples.START + days * DAY)
