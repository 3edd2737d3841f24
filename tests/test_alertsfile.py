"""The alerts file is read strictly: what is wrong is named, and no secret is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from voxpop import alertsfile
from voxpop.alertsfile import Rules, load, parse
from voxpop.errors import SettingError
from voxpop.signals.meaning import OPERATIONAL

DESK = '[receivers.desk]\nurl = "mailto://user:pa55word@example.org"\n'
ROUTE = '[[routes]]\nreceivers = ["desk"]\n'


def test_the_example_of_the_module_is_a_file(tmp_path: Path) -> None:
    assert alertsfile.__doc__ is not None
    example = re.sub(r"(?m)^    ", "", alertsfile.__doc__.partition("\n\n")[2])
    for name in ("pager", "bus"):
        (tmp_path / name).write_text("pagerduty://key@route\n" if name == "pager" else "a secret\n", "utf-8")
    rules = parse(example.replace("/run/secrets", str(tmp_path)), "example")
    assert rules.receivers["duty"].url == "pagerduty://key@route"
    assert rules.receivers["bus"].secret == "a secret"
    assert [route.receivers for route in rules.routes] == [("duty",), ("desk", "bus"), ("desk",)]
    assert rules.routes[0].rules == OPERATIONAL
    assert rules.dashboard == "https://voxpop.example.org"
    assert rules.standing == ("Exchange Notices",)
    assert [(m.kind, m.watchlist, m.receivers, m.zone) for m in rules.reports] == [
        ("morning", "own", ("desk",), "Europe/Zurich")
    ]


def test_no_file_means_that_nobody_is_told() -> None:
    assert load("", "http://127.0.0.1:8350") == Rules(dashboard="http://127.0.0.1:8350")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("[receivers", "malformed"),
        ("colour = 1", "unknown field `colour`; known are receivers, routes, operators, reports, standing, dashboard"),
        (DESK + '[[routes]]\nreceivers = ["dsk"]', "route 1 of f.toml names the receiver 'dsk'"),
        (DESK + "[[routes]]\nreceivers = []", "route 1 of f.toml names no receivers"),
        (DESK + ROUTE + 'rules = ["surges"]', "rules[0]`; it is one of drift, feed, risk, simmer, slide, spread"),
        (DESK + ROUTE + 'severity = "grave"', "severity`; it is one of critical, serious, watch"),
        (
            DESK + ROUTE + 'watchlist = "mine"',
            "Invalid enum value 'mine' - at `$.routes[0].watchlist`; it is one of all, own",
        ),
        (DESK + ROUTE + 'quiet = { zone = "UTC", from = "1", to = "2", unless = "x" }', "it is one of critical"),
        (DESK + ROUTE + 'quiet = { zone = "UTC", start = "22:00" }', "known are zone, from, to, unless"),
        ('[receivers.desk]\naddress = "x"', "known are url, url_file, webhook, secret, secret_file"),
        ('[[reports]]\nkind = "noon"\nreceivers = []', "it is one of morning, weekly"),
        (DESK + ROUTE + 'sectors = "banks"', "array"),
        (DESK + ROUTE + "repeat_hours = -1", "cannot be negative"),
        (DESK + ROUTE + 'escalate_to = ["desk"]', "needs escalate_minutes"),
        (DESK + ROUTE + 'quiet = { zone = "Mars/Base", from = "22:00", to = "07:00" }', "'Mars/Base' is no time zone"),
        (DESK + ROUTE + 'quiet = { zone = "UTC", from = "10 pm", to = "07:00" }', "'10 pm' is no time of day"),
        (DESK + ROUTE + 'quiet = { zone = "UTC", from = "22:00" }', "missing required field `to`"),
        ('[receivers.a]\nurl = "x://y"\nwebhook = "https://z"', "exactly one of url, url_file and webhook"),
        ("[receivers.a]", "exactly one of url, url_file and webhook"),
        ('[receivers.a]\nwebhook = "https://z"', "needs secret or secret_file"),
        ('[receivers.a]\nwebhook = "ftp://z"\nsecret = "s"', "begins with https://"),
        ('[receivers.a]\nurl = "mailto://z"\nsecret = "s"', "only a webhook has a secret"),
        ('[receivers.a]\nurl = "desk@example.org"', "begins with its kind"),
        ('[receivers.a]\nurl_file = "/nowhere/at/all"', "cannot be read"),
        (DESK + '[[reports]]\nkind = "morning"\nreceivers = []', "report 1 of f.toml names no receivers"),
        (DESK + '[[reports]]\nkind = "yearly"\nreceivers = ["desk"]', "Invalid enum value 'yearly'"),
        (DESK + '[[reports]]\nkind = "weekly"\nreceivers = ["desk"]\nzone = "Mars"', "'Mars' is no time zone"),
        (DESK + '[[reports]]\nkind = "weekly"\nreceivers = ["desk"]\nat = "7"', "'7' is no time of day"),
        (DESK + '[[reports]]\nkind = "weekly"\nreceivers = ["dsk"]', "report 1 of f.toml names the receiver 'dsk'"),
        (DESK + '[operators]\nreceivers = ["duty"]', "[operators] of f.toml names the receiver 'duty'"),
    ],
)
def test_what_is_wrong_is_named(source: str, said: str) -> None:
    with pytest.raises(SettingError, match=re.escape(said)) as refused:
        parse(source, "f.toml")
    assert "pa55word" not in str(refused.value)


def test_a_file_that_is_not_there_is_an_error_and_not_silence() -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        load("/nowhere/alerts.toml", "")
