"""Feeds that fell silent, polled on loopback: whether others speak or not, and never because the machine slept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import Engine

from tests.sources.loopback import Site, serving
from tests.store.samples import START, document, reading, write
from tests.test_jobs import around, log
from voxpop import jobs
from voxpop.jobs import Surroundings
from voxpop.sources.feeds import Feed
from voxpop.sources.fetch import Fetcher
from voxpop.store import alerts, feeds

__all__ = ["around", "log"]  # fixtures

LAST = 29
"""The hour of the last document of the feed."""


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def polling(engine: Engine, around: Surroundings, site: Site) -> Surroundings:
    """A single feed, from which a document came each hour."""
    write(engine, [reading(document(f"w{n}", n, f"news {n} of acme")) for n in range(LAST + 1)])
    tell(site, "old")
    with engine.begin() as connection:
        feeds.add(connection, "wire", msgspec.to_builtins(Feed(url=site.url("/feed"), name="wire")))
    fetcher = Fetcher(allow_private=True)
    return replace(around, fetcher=lambda: fetcher)


def tell(site: Site, *entries: str, status: int = 200) -> None:
    """What the feed says from now on."""
    items = "".join(f"<item><guid>{name}</guid><title>{name}</title></item>" for name in entries)
    site.serve("/feed", f'<rss version="2.0"><channel>{items}</channel></rss>'.encode(), status=status)


def look(around: Surroundings, hour: float) -> int:
    return jobs.raise_silences(around, START + timedelta(hours=hour))


def poll(around: Surroundings, *hours: float) -> int:
    """Polls at each of the hours and looks for silences; how many were raised."""
    raised = 0
    for hour in hours:
        jobs.poll_feeds(around, START + timedelta(hours=hour))
        raised += look(around, hour)
    return raised


@pytest.mark.parametrize("status", [200, 503])
def test_the_only_feed_falls_silent_whether_it_answers_or_not(
    engine: Engine, polling: Surroundings, site: Site, status: int
) -> None:
    assert poll(polling, LAST) == 0
    tell(site, "old", status=status)
    assert poll(polling, *range(LAST + 1, LAST + 25)) == 0
    assert poll(polling, *range(LAST + 25, LAST + 30)) == 1
    with engine.connect() as connection:
        (alert,) = alerts.stored(connection)
    assert (alert.entity, alert.rule, alert.hours) == ("wire", "feed", 29)
    write(engine, [reading(document("back", LAST + 29.5, "news of acme again"))])
    tell(site, "old", "new")
    assert poll(polling, LAST + 30) == 0
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT state FROM alerts").scalars().all() == ["resolved"]


def test_a_machine_that_slept_polls_before_it_calls_a_feed_silent(polling: Surroundings, site: Site) -> None:
    poll(polling, LAST, LAST + 1)
    woken = LAST + 72
    assert look(polling, woken) == 0, "not polled since"
    tell(site, status=503)
    assert poll(polling, woken, woken + 0.2) == 0, "the network is not up yet"
    tell(site, "old", "new")
    assert poll(polling, *(woken + n for n in range(1, 24))) == 0, "what it brought is not read yet"


def test_a_feed_that_has_nothing_to_say_when_the_machine_wakes_is_silent(polling: Surroundings, site: Site) -> None:
    poll(polling, LAST, LAST + 1)
    woken = LAST + 72
    assert poll(polling, woken, woken + 0.5) == 0
    assert poll(polling, woken + 1.1) == 1


def test_feeds_that_nobody_polls_are_not_silent(polling: Surroundings) -> None:
    poll(polling, LAST, LAST + 1, LAST + 2)
    assert look(polling, LAST + 90) == 0
