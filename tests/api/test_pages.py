"""The pages as a program sees them: what they say, what they refuse, what they never render."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine, text

from tests.alarms.test_drifts import darker, judged, tell
from tests.api.conftest import Desk, fill
from tests.store.samples import MODEL, START, document, reading, write
from voxpop import jobs
from voxpop.api.desk import company
from voxpop.api.desk.lit import Light, pieces
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.records import Entity, Name
from voxpop.settings import Settings
from voxpop.store import board, models, people, queries, trends
from voxpop.store.trends import Course


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False)


def test_the_pages_tell_what_turned_and_why(desk: Desk) -> None:
    overview = get(desk.url).text
    assert 'href="/entities/acme">Acmetron</a>' in overview
    alert = re.search(r'href="(/alerts/[0-9a-f]+)"', overview)
    assert alert
    evidence = get(desk.url.rstrip("/") + alert[1]).text
    assert "read as negative" in evidence
    assert "<mark" in evidence
    entity = get(f"{desk.url}entities/acme?by=negative").text
    assert "3 more tell it" in entity
    assert '"alerts": [{"at"' in entity


def test_chinese_that_is_not_read_is_said_to_be_unread_and_marked_where_it_names_the_company(desk: Desk) -> None:
    page = get(f"{desk.url}entities/bolt").text
    assert "unread (zh)" in page
    assert 'lang="zh"' in page
    assert re.search(r"<mark[^>]*>博特工业</mark>", page)


def test_nothing_of_a_document_is_rendered_as_html(desk: Desk) -> None:
    page = get(f"{desk.url}entities/acme").text
    assert "<script>document.title" not in page
    assert "&lt;script&gt;document.title" in page
    assert "javascript:" not in page
    assert "<i>me</i>" not in page
    policy = get(desk.url).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


def test_no_page_holds_a_script_or_a_handler_of_its_own(desk: Desk) -> None:
    for path in ("", "alerts", "why", "review", "ask", "lists", "system", "dead-letters", "entities/acme"):
        page = get(desk.url + path).text
        assert [tag for tag in re.findall(r"<script[^>]*>", page) if "src=" not in tag and "json" not in tag] == []
        assert re.findall(r"<[^>]* on[a-z]+=", re.sub(r'"[^"]*"', '""', page)) == []
        assert " style=" not in page


def test_the_evidence_of_an_alert_says_what_it_claims_and_how(desk: Desk) -> None:
    alert = get(f"{desk.url}v1/alerts").json()["items"][0]
    page = get(f"{desk.url}alerts/{alert['id']}").text
    assert "<dt>what</dt><dd><q>bad news 0</q>" in page
    assert '<span class="chip denied">denied</span>' in page
    assert '<span class="meta">75\u00a0%</span>' in page
    assert '<dt>who says so</dt><dd><q>Acmetron</q> <span class="meta">' in page  # asserted: no chip
    assert re.search(r'<span class="claim" title="what">\s*bad news 0\s*</span>', page), "lit in the text"
    assert 'class="tag risk-3"' in page
    assert ">debt default</span>" in page


def test_nothing_of_a_claim_or_a_risk_is_rendered_as_html(desk: Desk) -> None:
    page = get(f"{desk.url}entities/acme").text
    assert "<q>&lt;b&gt;Acmetron&lt;/b&gt;</q>" in page
    assert "<b>Acmetron" not in page
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page
    assert 'title="&lt;/span&gt;&#34; onmouseover=&#34;x' in page
    assert '" onmouseover="' not in page


def test_an_alert_of_drift_names_no_company_and_claims_no_surprise(settings: Settings, engine: Engine) -> None:
    tell(engine, 36, darker)
    (alert,) = judged(engine, 35)
    with engine.begin() as connection:
        models.activate(connection, MODEL, "test")
    with App(settings) as app, serving(app) as url:
        overview, page = get(url).text, get(f"{url}alerts/{alert.id}").text
    assert '<span class="name">sentiment labels</span>' in overview
    assert "surprise" not in overview + page
    assert "negative 60% where 10% was usual" in page


def test_dead_letters_are_shown_masked(desk: Desk) -> None:
    page = get(f"{desk.url}dead-letters").text
    assert "jane@" not in page
    assert "[EMAIL]" in page
    assert "引入" in get(f"{desk.url}dead-letters", **CHINESE).text


@pytest.mark.parametrize("path", ["entities/nobody", "alerts/0", "v1/trends?entity=nobody", "nowhere"])
def test_what_is_not_there_is_not_found(desk: Desk, path: str) -> None:
    assert get(desk.url + path).status_code == 404


def test_a_page_of_another_site_cannot_read_it_by_rebinding_its_name(desk: Desk) -> None:
    assert get(desk.url, host="evil.example").status_code == 400


def test_an_empty_store_says_what_to_do(bare_dashboard: str) -> None:
    assert "voxpop ingest" in get(bare_dashboard).text


def test_it_serves_on_loopback_only_and_says_which_setting_names_a_taken_port(settings: Settings) -> None:
    with App(dataclasses.replace(settings, host="0.0.0.0")) as app, pytest.raises(SettingError, match="loopback"):
        serving(app).__enter__()
    with App(settings) as app, serving(app) as url:
        taken = int(url.rsplit(":", 1)[1].strip("/"))
        again = App(dataclasses.replace(settings, port=taken))
        with pytest.raises(SettingError, match="VOXPOP_PORT"):
            serving(again).__enter__()


def test_a_week_that_is_not_known_has_nothing_usual(settings: Settings, engine: Engine) -> None:
    told = [reading(document(f"a{n}", n, f"Acmetron {n}"), "negative") for n in range(0, 6 * 24, 6)]
    with App(settings) as app, serving(app) as url:
        app.watch([Entity(id="acme", name="Acmetron")])
        write(engine, told)
        with engine.begin() as connection:
            models.activate(connection, MODEL, "test")
        jobs.refresh_trends(app.surroundings(MODEL), datetime.now(UTC))
        overview, company = get(url).text, get(f"{url}entities/acme").text
        chinese = get(url, **{"accept-language": "zh"}).text
    assert "adverse stories in a day, usual not known yet" in overview
    assert "What is usual is not known yet: that takes a week of the stream." in overview
    assert '<td class="n"><span class="soft">not known yet</span></td>' in overview, "of a source"
    assert "last day: 4 of 4 stories adverse, usual not known yet" in company
    assert "条不利报道（一日），通常条数尚不可知" in chinese
    assert "尚未知</span></td>" in chinese


def test_what_is_usual_is_of_the_days_that_are_known(engine: Engine) -> None:
    told = [reading(document(f"a{n}", n, f"Acmetron {n}"), "negative") for n in range(0, 8 * 24, 6)]
    write(engine, told[:29])  # a week and a little
    with engine.begin() as connection:
        models.activate(connection, MODEL, "test")
        connection.execute(text("INSERT INTO entities (entity_id, name, detail) VALUES ('acme', 'Acmetron', '{}')"))
        trends.refresh(connection, MODEL)
        (mover,) = board.movers(connection, MODEL, told[28].document.published_at)
        (source,) = board.sources(connection, told[28].document.published_at)
    assert mover.adverse == 4
    assert mover.usual_adverse == pytest.approx(25 / 6)
    assert source.usual == pytest.approx(29 / 7)


def told_at(engine: Engine, hours: dict[int, float | None]) -> Course:
    """The course of an entity of which a story was told in each of these hours, of this sentiment (None: unread)."""
    insert = text(
        "INSERT INTO trend_points (entity_id, start, model, revision, stories, negative_stories, positive_stories,"
        " unread_stories, mentions, sentiment, reach)"
        " VALUES ('acme', :at, :model, :revision, 1, 0, 0, :unread, 1, :sentiment, 1)"
    )
    with engine.begin() as connection:
        for hour, sentiment in hours.items():
            row = {"at": START + timedelta(hours=hour), "model": MODEL, "unread": int(sentiment is None)}
            connection.execute(insert, row | {"revision": 1, "sentiment": -1.0})
            connection.execute(insert, row | {"revision": 2, "sentiment": sentiment})
        return trends.course(connection, MODEL, "acme", START)


def test_where_nothing_was_said_the_line_of_sentiment_has_a_gap(engine: Engine) -> None:
    drawn = company.chart(told_at(engine, {0: 0.5, 1: 0.25, 4: -0.5, 5: None}), [])
    assert [at[11:16] for at in drawn["start"]] == ["00:00", "01:00", "02:00", "03:00", "04:00", "05:00"]
    assert drawn["sentiment"] == [0.5, 0.25, None, None, -0.5, None]
    assert (drawn["other"], drawn["unread"]) == ([1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1])


def test_what_spans_long_is_drawn_in_wider_bins(engine: Engine) -> None:
    fortnight = company.chart(told_at(engine, {5: 0.5, 7: 0.5, 9: -0.5, 300: 0.5}), [])
    assert (fortnight["hours"], len(fortnight["start"]), fortnight["other"][:3]) == (6, 51, [1, 2, 0])
    assert fortnight["sentiment"][:3] == [0.5, 0.0, None]
    months = company.chart(told_at(engine, {2000: 0.5}), [])
    assert (months["hours"], months["start"][0][11:16], months["other"][0]) == (24, "00:00", 3)
    assert company.chart(Course(1, []), []) == {}


def test_a_day_of_the_servers_zone_that_has_23_hours_hides_no_bin(engine: Engine) -> None:
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone TO 'Europe/Zurich'"))
    engine.dispose()
    drawn = company.chart(told_at(engine, {0: 0.5, 1300: 0.5}), [])
    assert (drawn["hours"], drawn["other"][0], drawn["other"][-1]) == (24, 1, 1)
    assert drawn["start"][0].endswith("T00:00:00+00:00")


CHINESE = {"accept-language": "zh"}


@pytest.fixture
def renamed(settings: Settings, engine: Engine) -> Iterator[Desk]:
    """A dashboard whose company has a Chinese alias, and had another."""
    with App(settings) as app:
        fill(app, engine)
        former = Name(text="艾克美", valid_to=datetime(2020, 1, 1, tzinfo=UTC))
        aliases = (Name(text="ACM"), Name(text="アクメ社"), former, Name(text="艾克米公司"), Name(text="艾克米"))
        app.watch(
            [
                Entity(id="acme", name="Acmetron", sector="real estate", aliases=aliases),
                Entity(id="bolt", name="博特工业", sector="bolts"),
            ]
        )
        with serving(app) as url:
            yield Desk(url, app, engine)


def test_chinese_pages_call_a_company_by_its_chinese_alias(renamed: Desk) -> None:
    desk = renamed
    alert = desk.alert("called in Chinese")
    silence = {"span": "8h", "severity": "serious"}
    httpx.post(f"{desk.url}alerts/{alert}/silence", data=silence, trust_env=False)
    desk.execute("UPDATE opinions SET label = 'unsure' WHERE entity_id = 'acme' AND label = 'negative'")
    httpx.post(f"{desk.url}lists", data={"name": "mine", "add": "艾克米公司"}, headers=CHINESE, trust_env=False)
    for path in ("", "alerts", f"alerts/{alert}", "review", "lists", "entities/acme", "why?entity=艾克米公司"):
        chinese, english = get(desk.url + path, **CHINESE).text, get(desk.url + path).text
        assert "艾克米公司" in chinese, path
        assert "艾克美" not in chinese
        assert path.startswith("why") or "艾克米公司" not in english, path
    overview = get(desk.url, **CHINESE).text
    assert 'href="/entities/acme">艾克米公司</a>' in overview, "the address is by id"
    assert json.dumps("艾克米公司") in overview, "in the heat map"
    assert "房地产" in overview
    assert "bolts" in overview, "a sector of one's own is shown as it is written"
    page = get(f"{desk.url}entities/acme", **CHINESE).text
    assert '艾克米公司 <span class="soft">Acmetron</span></h1>' in page
    assert "正在监测 艾克米公司" in get(f"{desk.url}why?entity=acme", **CHINESE).text


def test_what_a_page_leaves_out_it_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    page = get(f"{desk.url}entities/acme").text
    assert "The first 30 stories are shown." in page
    assert "latest 500 mentions" not in page, "the latest stories are the latest"
    older = re.search(r'href="(\?before=[^"]+)#stories">Older', page)
    assert older
    behind = get(f"{desk.url}entities/acme{html.unescape(older[1])}").text
    assert "Stories up to <time" in behind
    first, second = (set(re.findall(r"Acmetron at \d+", re.sub("<[^>]+>", "", of))) for of in (page, behind))
    assert second
    assert not first & second
    assert "All stories, the latest first" in get(f"{desk.url}entities/acme?by=reach").text
    assert "mentions, back to" not in get(f"{desk.url}entities/bolt").text
    monkeypatch.setattr(queries, "MOST_MENTIONS", 40)
    page = get(f"{desk.url}entities/acme?by=reach").text
    assert "The first 30 stories of its latest 40 mentions, back to <time" in page
    chinese = get(f"{desk.url}entities/acme?by=reach", **CHINESE).text
    assert "仅列出前 30 条报道，取自最近 40 次提及，最早的提及为 <time" in chinese
    assert "Looked for in" not in get(f"{desk.url}review").text
    monkeypatch.setattr(people, "_LOOKED_AT", 40)
    assert "Looked for in the latest 40 mentions." in get(f"{desk.url}review").text
    httpx.post(f"{desk.url}lists", data={"name": "two", "add": "acme"}, trust_env=False)
    httpx.post(f"{desk.url}lists", data={"name": "two", "add": "bolt"}, trust_env=False)
    assert "每家公司仅查看最近 20 次提及。" in get(f"{desk.url}review?of=two", **CHINESE).text


def test_pieces_join_to_the_text_and_mark_the_mentions() -> None:
    text = "A 😀 Acme and Acme Corp"
    found = pieces(text, [(4, 8), (13, 22), (13, 17), (90, 99)])
    assert "".join(p.text for p in found) == text
    assert [p.text for p in found if p.marked] == ["Acme", "Acme Corp"]


def test_a_very_long_text_is_cut_around_its_mentions() -> None:
    found = pieces("x" * 200_000, [(100_000, 100_004)])
    assert sum(len(p.text) for p in found) < 2_000
    assert [p.text for p in found if p.marked] == ["xxxx"]


def test_a_claim_is_lit_and_a_mention_within_it_is_both() -> None:
    text = "Acme cuts jobs"
    found = pieces(text, [(0, 4)], [Light(0, 9, "what"), Light(5, 9, "why"), Light(-3, 4, "who")])
    assert "".join(p.text for p in found) == text
    assert [(p.text, p.marked, p.claim) for p in found] == [
        ("Acme", True, "what"),
        (" cuts", False, "what"),
        (" jobs", False, ""),
    ]
