"""The pages as a program sees them: what they say, what they refuse, what they never render."""

from __future__ import annotations

import dataclasses
import re

import httpx
import pytest
from sqlalchemy import Engine

from tests.store.samples import MODEL
from tests.test_drifts import darker, judged, tell
from voxpop.api.marks import pieces
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.settings import Settings
from voxpop.store import models


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False)


def test_the_pages_tell_what_turned_and_why(dashboard: str) -> None:
    overview = get(dashboard).text
    assert "Acmetron</a></h2>" in overview
    alert = re.search(r'href="(/alerts/[0-9a-f]+)"', overview)
    assert alert
    evidence = get(dashboard.rstrip("/") + alert[1]).text
    assert "read as negative" in evidence
    assert "<mark" in evidence
    entity = get(f"{dashboard}entities/acme?by=negative").text
    assert "3 more tell it" in entity
    assert '"alerts": [{"at"' in entity


def test_chinese_that_is_not_read_is_said_to_be_unread_and_marked_where_it_names_the_company(dashboard: str) -> None:
    page = get(f"{dashboard}entities/bolt").text
    assert "unread (zh)" in page
    assert 'lang="zh"' in page
    assert re.search(r"<mark[^>]*>博特工业</mark>", page)


def test_nothing_of_a_document_is_rendered_as_html(dashboard: str) -> None:
    page = get(f"{dashboard}entities/acme").text
    assert "<script>document.title" not in page
    assert "&lt;script&gt;document.title" in page
    assert "javascript:" not in page
    assert "<i>me</i>" not in page
    assert "script-src" not in page
    assert "default-src 'self'" in get(dashboard).headers["content-security-policy"]


def test_the_evidence_of_an_alert_says_what_it_claims_and_how(dashboard: str) -> None:
    (alert,) = get(f"{dashboard}v1/alerts").json()["items"]
    page = get(f"{dashboard}alerts/{alert['id']}").text
    assert "<dt>what</dt><dd><q>bad news 0</q>" in page
    assert '<span class="chip denied">denied</span>' in page
    assert '<span class="meta">75 %</span>' in page
    assert '<dt>source</dt><dd><q>Acmetron</q> <span class="meta">' in page  # asserted: no chip
    assert 'class="chip risk-3"' in page
    assert ">debt default</span>" in page


def test_nothing_of_a_claim_or_a_risk_is_rendered_as_html(dashboard: str) -> None:
    page = get(f"{dashboard}entities/acme").text
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
    assert "<h2>sentiment labels</h2>" in overview
    assert "surprise" not in overview + page
    assert "negative 60% where 10% was usual" in page


def test_dead_letters_are_shown_masked(dashboard: str) -> None:
    page = get(f"{dashboard}dead-letters").text
    assert "jane@" not in page
    assert "[EMAIL]" in page


@pytest.mark.parametrize("path", ["entities/nobody", "alerts/0", "v1/trends?entity=nobody", "nowhere"])
def test_what_is_not_there_is_not_found(dashboard: str, path: str) -> None:
    assert get(dashboard + path).status_code == 404


def test_a_page_of_another_site_cannot_read_it_by_rebinding_its_name(dashboard: str) -> None:
    assert get(dashboard, host="evil.example").status_code == 400


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
