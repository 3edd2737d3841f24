"""The past as it was known: what came later is not there, and what was corrected later is as it was before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import voxpop
from tests.conftest import new_database
from tests.replayed import START, WATCHED, CheapApp, Words, admitted, item
from tests.scripted import Script
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.models.questions import QUESTIONS
from voxpop.replay import replay
from voxpop.settings import Settings
from voxpop.sources.spool import Spool

END = START + timedelta(days=3)
CORRECTED = (START + timedelta(hours=20)).isoformat()
ITEMS = [
    item(1, 2.5, "Acmetron has bad orders in the north of its country"),
    item(2, 5.5, "RT @wire: Acmetron has bad orders in the north of its country", source="chirper", channel="social"),
    item(3, 9.5, "Acmetron told plain news of seven ships and their crews"),
    item(1, 2.5, "Acmetron has good orders in the north of its country", revised_at=CORRECTED),
    item(4, 30.5, "Acmetron may sell two of its plants this summer"),
]


def claiming() -> Script:
    """Where a text has bad orders, that is what it claims."""
    answers = {QUESTIONS["what"].format(entity="Acmetron"): "has bad orders"}
    return Script(answers, lambda premise, hypothesis: (0.9, 0.1, 0.0), neutral=Words())


@pytest.fixture(scope="module")
def app(server_url: str, home: Path) -> Iterator[App]:
    """A store into which the items were replayed."""
    with new_database(server_url) as url, Spool() as spool:
        for one in admitted(ITEMS):
            spool.add(one)
        with CheapApp(Settings(database_url=url, home=home, results_bytes=0), claiming()) as app:
            app.watch(WATCHED)
            list(replay(app, spool, START, END))
            yield app


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_trends_are_the_revisions_that_were_there(app: App) -> None:
    def stories(as_of: datetime) -> list[int]:
        return list(voxpop.history("acme", START, END, as_of, app=app)["stories"])

    assert stories(at(2.9)) == [], "the hour is not over"
    assert stories(at(3)) == [1]
    assert sum(stories(at(6))) == 1, "a repost is no other story"
    assert sum(stories(at(12))) == 2
    found = voxpop.history("acme", START, END, app=app)
    assert found["reconstructed"].all()
    assert found["available_at"].max() == at(31)


def test_a_document_that_was_corrected_is_as_it_was_before(app: App) -> None:
    def first(as_of: datetime) -> tuple[int, str, str]:
        found = voxpop.history(["acme"], START, END, as_of, "opinions", app=app)
        row = found[found["published_at"] == at(2.5)].iloc[0]
        return len(found), row["label"], row["revision"]

    before, after = first(at(20)), first(at(21))
    assert (before[:2], after[:2]) == ((3, "negative"), (3, "neutral"))
    assert before[2] != after[2]


def test_claims_are_those_of_the_revision_that_was_known(app: App) -> None:
    def claims(as_of: datetime) -> list[tuple[datetime, str]]:
        found = voxpop.history("Acmetron", START, END, as_of, "claims", app=app)
        return [(row["published_at"].to_pydatetime(), row["text"]) for _, row in found.iterrows()]

    assert claims(at(20)) == [(at(2.5), "has bad orders"), (at(5.5), "has bad orders")]
    assert claims(at(21)) == [(at(5.5), "has bad orders")]


def test_stories_are_made_of_the_documents_that_were_known(app: App) -> None:
    def stories(as_of: datetime) -> list[tuple[int, int, str]]:
        found = voxpop.history("acme", START, END, as_of, "stories", app=app)
        return [(row["documents"], row["sources"], row["label"]) for _, row in found.iterrows()]

    assert stories(at(3)) == [(1, 1, "negative")]
    assert stories(at(10)) == [(2, 2, "negative"), (1, 1, "neutral")]
    assert stories(at(21)) == [(1, 1, "neutral"), (1, 1, "negative"), (1, 1, "neutral")], "the repost stands alone now"
    assert voxpop.history("acme", at(8), END, at(10), "stories", app=app)["documents"].tolist() == [1]


def test_what_is_not_there_is_an_empty_frame_with_its_columns(app: App) -> None:
    for kind in ("trends", "opinions", "claims", "stories"):
        found = voxpop.history("calm", START, END, app=app, kind=kind)
        assert len(found) == 0
        assert "entity" in found.columns


def test_what_cannot_be_asked_is_said(app: App) -> None:
    with pytest.raises(SettingError, match="nobody ever watched"):
        voxpop.history("nobody", START, END, app=app)
    with pytest.raises(SettingError, match="is no time"):
        voxpop.history("acme", "yesterday", END, app=app)
    with pytest.raises(SettingError, match="is none of"):
        voxpop.history("acme", START, END, kind="tales", app=app)  # type: ignore[arg-type]


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, voxpop; print(*[m for m in ('pandas', 'torch', 'sqlalchemy', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
