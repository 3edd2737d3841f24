"""What the API gave as of a time it gives again, whatever is promoted, corrected or still being written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import Engine

from tests.api.conftest import claim, says
from tests.store.samples import MODEL, document, reading, write
from tests.test_alerting import raised
from voxpop import jobs
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.records import Entity
from voxpop.settings import Settings
from voxpop.store import models, trends, writer

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
