"""The pages as a program sees them: what they say, what they refuse, what they never render."""

from __future__ import annotations

import dataclasses
import re

import httpx
import pytest
from sqlalchemy import Engine

from tests.api.conftest import Desk
from tests.store.samples import MODEL
from tests.test_drifts import darker, judged, tell
from voxpop.api.desk.lit import Light, pieces
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.settings import Settings
from voxpop.store import models


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
    assert '<span class="meta">75 %</span>' in page
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
