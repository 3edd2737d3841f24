"""The inbox as a browser asks for it: page by page, and by company, rule and severity."""

from __future__ import annotations

import html
import re

import httpx
from sqlalchemy import Engine, text

from tests.store.samples import MODEL
from tests.test_alerting import raised
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.records import Entity
from voxpop.settings import Settings
from voxpop.store import models, watchlist


def test_every_alert_that_is_done_with_is_on_one_page_of_the_inbox(settings: Settings, engine: Engine) -> None:
    """All alerts of slides fire at midnight."""
    made = {raised(engine, f"a{n:02}") for n in range(45)}
    with engine.begin() as connection:
        connection.execute(text("UPDATE alerts SET state = 'resolved'"))
        models.activate(connection, MODEL, "test")
    with App(settings) as app, serving(app) as url:
        seen, path = [], "alerts"
        while path:
            page = httpx.get(url + path, trust_env=False).text
            seen += re.findall(r'href="/alerts/(a\d\d)"', page)
            older = re.search(r'href="/(alerts\?before=[^"]+)"', page)
            path = html.unescape(older[1]) if older else ""
    assert (len(seen), set(seen)) == (45, made)


def test_the_inbox_is_asked_for_a_company_a_rule_and_a_severity(settings: Settings, engine: Engine) -> None:
    """Severity follows from score and rule: of those that are done with, as many are looked at as fill a page."""
    others = {raised(engine, f"o{n:02}", "globex") for n in range(30)}
    slides = {raised(engine, f"s{n:02}", rule="slide") for n in range(3)}
    grave = {raised(engine, f"g{n:02}", score=50.0) for n in range(23)}
    silent = {raised(engine, "f00", "Some Wire", rule="feed")}
    with engine.begin() as connection:
        watchlist.replace(connection, [Entity(id="acme", name="Acme Industries"), Entity(id="globex", name="Globex")])
        connection.execute(text("UPDATE alerts SET state = 'resolved'"))
        models.activate(connection, MODEL, "test")
    with App(settings) as app, serving(app) as url:

        def found(asked: str) -> set[str]:
            ids, path = [], f"alerts?{asked}"
            while path:
                page = httpx.get(url + path, trust_env=False).text
                ids += re.findall(r'href="/alerts/([a-z]\d\d)"', page)
                older = re.search(r'href="/(alerts\?[^"]*before=[^"]+)"', page)
                path = html.unescape(older[1]) if older else ""
            assert len(ids) == len(set(ids))
            return set(ids)

        assert found("") == others | slides | grave | silent
        assert found("company=ACME+industries") == slides | grave
        assert found("company=Some+Wire") == silent
        assert found("rule=slide") == slides
        assert found("severity=critical") == grave
        assert found("company=globex&severity=critical") == set()
        assert "No alert is about “nobody”." in httpx.get(url + "alerts?company=nobody", trust_env=False).text
        page = httpx.get(url + "alerts?company=acme&rule=slide&severity=watch", trust_env=False).text
    assert 'value="acme"' in page
    assert '<option value="slide" selected>' in page
    assert 'href="/alerts?company=acme&amp;rule=slide&amp;severity=critical"' in page
