"""The API's lists, against a server that runs: pages, what was known at a time, files, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import parquet
from sqlalchemy import Engine, text

from tests.api.conftest import fill, url_of
from tests.store.samples import MODEL, document, reading, write
from voxpop import jobs, pointintime
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.records import Entity
from voxpop.settings import Settings
from voxpop.store import moves

ALL = {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
STORIES: dict[str, Any] = {"entity": "acme", "start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"}


@pytest.fixture(scope="module")
def app(store: Engine, home: Path) -> Iterator[App]:
    """Acmetron's fortnight."""
    with App(Settings(database_url=url_of(store), home=home, port=0, requests_per_minute=0)) as app:
        fill(app, store)
        yield app


@pytest.fixture(scope="module")
def api(app: App) -> Iterator[httpx.Client]:
    """A client of the API over it."""
    with serving(app) as url, httpx.Client(base_url=f"{url}v1/", trust_env=False) as client:
        yield client


def pages(api: httpx.Client, path: str, limit: int, **asked: Any) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    found, cursor = [], None
    while True:
        page = api.get(path, params={**asked, "limit": limit, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) <= limit
        found += page["items"]
        if (cursor := page["next"]) is None:
            return found


@pytest.mark.parametrize(
    ("path", "asked", "least"),
    [
        ("entities", {}, 2),
        ("trends", {}, 80),
        ("trends", {"entity": ["acme", "bolt"], **ALL}, 80),
        ("claims", {"entity": "acme"}, 3),
        ("stories", STORIES, 50),
    ],
)
def test_pages_of_any_size_make_up_the_whole(api: httpx.Client, path: str, asked: dict[str, Any], least: int) -> None:
    whole = api.get(path, params={**asked, "limit": 1000}).json()
    assert whole["next"] is None
    assert len(whole["items"]) >= least
    assert pages(api, path, 1 if least < 10 else 7, **asked) == whole["items"]


def test_a_page_links_to_the_next(api: httpx.Client) -> None:
    page = api.get("trends", params={"limit": 3, "entity": "acme"})
    following = api.get(page.links["next"]["url"])
    assert following.json()["items"][0]["start"] > page.json()["items"][-1]["start"]


def test_what_comes_in_between_two_pages_moves_nothing(api: httpx.Client, app: App, store: Engine) -> None:
    app.watch([Entity(id="acme", name="Acmetron"), Entity(id="bolt", name="博特工业"), Entity(id="new", name="New")])
    write(store, [reading(document("between", 1, "New Corp is here", entities=("new",)), "neutral")])
    jobs.refresh_trends(app.surroundings(MODEL), datetime.now(UTC))
    first = api.get("trends", params={"limit": 1, "entity": "new"}).json()
    assert len(first["items"]) == 1
    write(store, [reading(document("between 2", 2, "New Corp is still here", entities=("new",)), "neutral")])
    write(store, [reading(document("between 3", 1.2, "New Corp, again", entities=("new",)), "negative")])
    jobs.refresh_trends(app.surroundings(MODEL), datetime.now(UTC))
    now = api.get("trends", params={"entity": "new"}).json()["items"]
    then = api.get("trends", params={"entity": "new", "as_of": first["as_of"]}).json()["items"]
    assert [p["stories"] for p in now] == [2, 1]
    assert then == first["items"], "the hour as it was, and not the one that came later"


def test_lists_say_what_history_says(api: httpx.Client, app: App) -> None:
    for kind in ("trends", "stories", "claims"):
        frame = pointintime.history("acme", "2026-03-01", "2026-04-01", kind=kind, app=app)
        items = api.get(kind, params={**STORIES, "limit": 1000}).json()["items"]
        key = {"trends": "start", "stories": "story", "claims": "document"}[kind]
        assert sorted(str(item[key]).replace("T", " ").replace("Z", "+00:00") for item in items) == sorted(
            str(value) for value in frame[key]
        )
    assert api.get("stories", params={**STORIES, "as_of": "2026-01-01T00:00:00Z"}).json()["items"] == []


def test_an_alert_as_it_stood_with_its_moves(api: httpx.Client, store: Engine) -> None:
    (alert,) = api.get("alerts", params={"entity": "acme"}).json()["items"]
    assert (alert["rule"], alert["state"]) == ("surge", "resolved")
    assert len(alert["evidence"]) >= 12
    before = datetime.now(UTC)
    with store.begin() as connection:
        row = moves.Row("opened", before + timedelta(microseconds=1), "jane", "on it")
        moves.append(connection, alert["id"], len(alert["moves"]) + 1, [row])
    later = datetime.now(UTC).isoformat()
    assert api.get(f"alerts/{alert['id']}", params={"as_of": later}).json()["moves"][-1]["who"] == "jane"
    then = api.get(f"alerts/{alert['id']}", params={"as_of": before.isoformat()}).json()
    assert then["moves"] == alert["moves"]
    assert api.get(f"alerts/{alert['id']}", params={"as_of": "2026-01-01T00:00:00Z"}).status_code == 404
    assert api.get("alerts", params={"state": "firing", "entity": "acme"}).json()["items"] == []


def test_a_claim_is_words_of_its_document(api: httpx.Client, store: Engine) -> None:
    claims = api.get("claims", params={"entity": "acme"}).json()["items"]
    assert claims[0]["text"] == "<b>Acmetron</b>", "the last published first, and as it was written"
    with store.connect() as connection:
        for claim in claims:
            said = connection.execute(
                text("SELECT text FROM documents WHERE document_id = :d AND revision = :r"),
                {"d": claim["document"], "r": claim["revision"]},
            ).scalar_one()
            assert said[claim["start"] : claim["end"]] == claim["text"]
    assert [c["text"] for c in api.get("claims", params={"entity": "acme", "question": "source"}).json()["items"]] == [
        "Acmetron"
    ]


def test_a_reader_that_has_it_gets_nothing_anew_until_it_changes(api: httpx.Client, app: App, store: Engine) -> None:
    asked: dict[str, Any] = {"entity": "acme", "limit": 10}
    tag = api.get("trends", params=asked).headers["etag"]
    for known in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        again = api.get("trends", params=asked, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert api.get("trends", params=asked, headers={"if-none-match": 'W/"x"'}).status_code == 200
    write(store, [reading(document("changes it", 0.3, "Acmetron in the first hour"), "negative")])
    jobs.refresh_trends(app.surroundings(MODEL), datetime.now(UTC))
    assert api.get("trends", params=asked, headers={"if-none-match": tag}).status_code == 200


def test_files_say_what_pages_say(api: httpx.Client) -> None:
    items = api.get("trends", params=ALL).json()["items"]
    table = parquet.read_table(io.BytesIO(api.get("trends", params={**ALL, "format": "parquet"}).content))
    rows = table.to_pylist()
    assert [{**r, "start": _written(r["start"]), "available_at": _written(r["available_at"])} for r in rows] == items
    answer = api.get("trends", params={**ALL, "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert int(answer.headers["content-length"]) == len(answer.content)
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["entity"], int(line["stories"])) for line in lines] == [(i["entity"], i["stories"]) for i in items]


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("trends", {"entity": "nobody"}, 404),
        ("alerts/none", {}, 404),
        ("claims", {}, 422),
        ("trends", {"entity": "a\0b"}, 422),
        ("trends", {"limit": 0}, 422),
        ("trends", {"as_of": "2026-03-01T00:00:00"}, 422),
        ("trends", {"as_of": "1772323200"}, 422),
        ("trends", {"entiy": "acme"}, 422),
        ("trends", {"cursor": "x"}, 422),
        ("trends", {"cursor": "é"}, 422),
        ("trends", {"cursor": "W10"}, 422),
        ("stories", {**STORIES, "start": "2025-01-01T00:00:00Z"}, 422),
    ],
)
def test_what_is_wrong_is_said_as_a_problem(api: httpx.Client, path: str, asked: dict[str, Any], status: int) -> None:
    answer = api.get(path, params=asked)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["detail"]


def test_a_cursor_is_of_no_use_to_another_question(api: httpx.Client) -> None:
    cursor = api.get("trends", params={"limit": 1}).json()["next"]
    assert api.get("trends", params={"limit": 5, "cursor": cursor}).status_code == 200
    for path, asked in (("trends", {"entity": "acme"}), ("alerts", {}), ("trends", {"as_of": "2026-03-09T00:00:00Z"})):
        assert api.get(path, params={**asked, "cursor": cursor}).status_code == 422


def test_a_zone_may_be_written_with_a_plus(api: httpx.Client) -> None:
    assert api.get("trends?as_of=0001-01-01T00:00:00%2B14:00").json()["items"] == []
    assert api.get("trends?as_of=2026-03-15T09:30:00+08:00").status_code == 200
    assert api.get("trends?as_of=2026-03-15T09:30:00%2B08:00").status_code == 200


def test_who_asks_too_often_is_told_when_to_come_again(store: Engine, home: Path) -> None:
    settings = Settings(database_url=url_of(store), home=home, port=0, requests_per_minute=3)
    with App(settings) as app, serving(app) as url:
        answers = [httpx.get(f"{url}v1/entities", trust_env=False) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert [a.headers["ratelimit"].split(";")[1] for a in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert answers[0].headers["ratelimit-policy"] == '"caller";q=3;w=60'
        assert int(answers[3].headers["retry-after"]) > 0
        assert httpx.get(url, trust_env=False).status_code == 200, "pages are not counted"


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(api: httpx.Client) -> None:
    much = b'{"items": [' + b" " * 8_000_001
    assert api.post("items", content=much).status_code == 413
    parts = (much[at : at + 1_000_000] for at in range(0, len(much), 1_000_000))
    assert api.post("items", content=parts).status_code == 413
