"""Reports that are due reach people by mail, once each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.header import decode_header, make_header
from email.message import Message as Mail
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests import commands
from tests.commands import Run
from tests.notify.loopback import Hook, PostOffice, hook, post_office
from tests.reports.conftest import END
from voxpop import alerting, alertsfile
from voxpop.alertsfile import Rules
from voxpop.cli import report as _commands  # noqa: F401 - which registers itself
from voxpop.jobs import JOBS, Surroundings
from voxpop.records import digest
from voxpop.reports import jobs
from voxpop.store import epoch

SOON = END + timedelta(minutes=3)


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with post_office() as found:
        yield found


@pytest.fixture
def site() -> Iterator[Hook]:
    with hook() as found:
        yield found


def mailed(around: Surroundings, tmp_path: Path, receivers: str, reports: str) -> Surroundings:
    """The surroundings with an alerts file, whose reports are due at midnight."""
    path = tmp_path / "alerts.toml"
    path.write_text(receivers + reports, "utf-8")
    return replace(around, settings=replace(around.settings, alerts_file=str(path), home=tmp_path))


def desk(office: PostOffice) -> str:
    url = f"mailto://127.0.0.1:{office.port}/?from=voxpop@example.org&to=desk@example.org&mode=insecure"
    return f'[receivers.desk]\nurl = "{url}"\n'


MORNING = '[[reports]]\nkind = "morning"\nreceivers = ["desk"]\nat = "00:00"\n'


def known(around: Surroundings, engine: Engine) -> None:
    """Lets the store know everything since before the stream began, as if it had run live."""
    tables = ("documents", "mentions", "engagements", "readings", "opinions", "claims", "risks", "trend_points")
    with engine.begin() as connection:
        for table in (*tables, "alerts", "alert_revisions"):
            connection.execute(text(f"UPDATE {table} SET available_at = '2026-03-01T00:00Z'"))


def rules(around: Surroundings) -> Rules:
    return alertsfile.load(around.settings.alerts_file, "http://board")


def parts(mail: Mail) -> dict[str, Mail]:
    return {part.get_content_type(): part for part in mail.walk()}


def content(part: Mail) -> bytes:
    return bytes(part.get_payload(decode=True))


def test_a_morning_report_is_mailed_once_with_pictures_and_paper(
    around: Surroundings, engine: Engine, office: PostOffice, tmp_path: Path
) -> None:
    known(around, engine)
    around = mailed(around, tmp_path, desk(office), MORNING)
    assert jobs.morning(around, SOON) == 1
    assert jobs.weekly(around, SOON) == 0
    assert jobs.morning(around, SOON + timedelta(minutes=5)) == 0, "each window once"
    sent = alerting.send(engine, rules(around), tmp_path, SOON)
    assert sent == alerting.Sent(1, 0)
    assert alerting.send(engine, rules(around), tmp_path, SOON) == alerting.Sent(0, 0)
    (mail,) = office.mails
    subject = str(make_header(decode_header(mail["subject"])))
    assert subject.startswith("Morning report: all watched companies – 1 new alert, 1 of them critical")
    found = parts(mail)
    html = content(found["text/html"]).decode()
    assert "cid:chart-1.png" in html
    assert "Acmetron" in html
    assert found["image/png"]["Content-ID"] == "<chart-1.png>"
    assert "inline" in found["image/png"]["Content-Disposition"]
    assert content(found["application/pdf"]).startswith(b"%PDF")
    assert 'filename="voxpop-morning-2026-03-16.pdf"' in found["application/pdf"]["Content-Disposition"]
    assert "Acmetron" in content(found["text/plain"]).decode()


def test_a_receiver_that_is_away_gets_it_later_under_the_same_key(
    around: Surroundings, engine: Engine, site: Hook, tmp_path: Path
) -> None:
    known(around, engine)
    receiver = f'[receivers.desk]\nwebhook = "{site.url}"\nsecret = "s3cret"\n'
    around = mailed(around, tmp_path, receiver, MORNING + 'lang = "zh"\n')
    site.answers = [503]
    assert jobs.morning(around, SOON) == 1
    for minutes in (0, 5):
        assert jobs.morning(around, SOON + timedelta(minutes=minutes)) == 0
        alerting.send(engine, rules(around), tmp_path, SOON + timedelta(minutes=minutes))
    assert len(site.posts) == 2
    assert len(set(site.keys())) == 1
    body = json.loads(site.posts[1].body)
    assert body["notice"] == "report"
    assert body["report"]["title"] == "晨报：全部监测对象"
    assert body["report"]["sections"][0]["entries"][0]["head"] == "Acmetron"


def test_reports_of_one_window_in_other_words_are_each_sent_once(
    around: Surroundings, engine: Engine, site: Hook, tmp_path: Path
) -> None:
    known(around, engine)
    receiver = f'[receivers.desk]\nwebhook = "{site.url}"\nsecret = "s3cret"\n'
    others = ('lang = "zh"\n', 'zone = "Africa/Abidjan"\n')  # whose clocks are those of UTC
    around = mailed(around, tmp_path, receiver, MORNING + "".join(MORNING + other for other in others))
    assert jobs.morning(around, SOON) == 3
    assert jobs.morning(around, SOON + timedelta(minutes=5)) == 0
    alerting.send(engine, rules(around), tmp_path, SOON)
    assert len({json.loads(post.body)["report"]["subtitle"] for post in site.posts}) == len(site.posts) == 3
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT lang, html LIKE '%Africa/Abidjan%' FROM reports ORDER BY 1, 2")).all()
    assert [tuple(row) for row in stored] == [("en", False), ("en", True), ("zh", False)]


def test_what_an_earlier_version_sent_is_not_sent_again(
    around: Surroundings, engine: Engine, office: PostOffice, tmp_path: Path
) -> None:
    known(around, engine)
    around = mailed(around, tmp_path, desk(office), MORNING)
    assert jobs.morning(around, SOON) == 1
    former = digest("report", "morning", "all", (END - timedelta(days=1)).isoformat(), END.isoformat(), "desk")
    with engine.begin() as connection:
        connection.execute(text("UPDATE deliveries SET key = :key"), {"key": former})
        connection.execute(text("DELETE FROM reports"))
    assert jobs.morning(around, SOON + timedelta(minutes=5)) == 0


def test_nothing_is_sent_where_nothing_happened_unless_it_is_asked_for(
    around: Surroundings, engine: Engine, office: PostOffice, tmp_path: Path
) -> None:
    around = mailed(around, tmp_path, desk(office), MORNING)
    quiet = SOON - timedelta(days=3)
    assert jobs.morning(around, quiet) == 0, "nothing was known then"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT happened FROM reports")).scalars().all() == [False]
    assert jobs.morning(around, quiet) == 0
    around = mailed(around, tmp_path, desk(office), MORNING + "empty = true\n")
    assert jobs.morning(around, quiet) == 1
    alerting.send(engine, rules(around), tmp_path, quiet)
    assert "Nothing is known" in content(parts(office.mails[0])["text/html"]).decode()


def test_a_report_that_nobody_could_send_for_half_a_day_is_not_sent(
    around: Surroundings, engine: Engine, office: PostOffice, tmp_path: Path
) -> None:
    known(around, engine)
    around = mailed(around, tmp_path, desk(office), MORNING)
    assert jobs.morning(around, END + timedelta(hours=13)) == 0
    assert jobs.morning(around, END + timedelta(hours=11)) == 1


def test_a_restored_backup_sends_no_report_until_it_is_released(
    around: Surroundings, engine: Engine, office: PostOffice, tmp_path: Path
) -> None:
    known(around, engine)
    around = mailed(around, tmp_path, desk(office), MORNING)
    with engine.begin() as connection:
        epoch.advance(connection, tmp_path / "another home")
    assert jobs.morning(around, SOON) == 0
    alerting.release(engine, rules(around), tmp_path, SOON, "jane", drop=False)
    assert jobs.morning(around, SOON) == 1


def test_the_jobs_are_in_the_table() -> None:
    functions = {job.name: job.function for job in JOBS}
    assert (functions["morning"], functions["weekly"]) == (jobs.morning, jobs.weekly)


@pytest.fixture
def voxpop(database_url: str) -> Run:
    return commands.on(database_url)


def test_the_command_prints_writes_and_refuses(around: Surroundings, voxpop: Run, tmp_path: Path) -> None:
    printed = voxpop("report", "weekly", "--until", "2026-03-16T00:00Z", "--watchlist", "own").stdout
    assert printed.startswith("Weekly report: own firm\nMon 9 Mar 00:00 to Mon 16 Mar 00:00, UTC\n")
    assert "[critical] Acmetron" in printed
    html, pdf = tmp_path / "r.html", tmp_path / "r.pdf"
    voxpop("report", "morning", "--until", "2026-03-16", "--lang", "zh", "--html", str(html), "--pdf", str(pdf))
    assert "晨报" in html.read_text("utf-8")
    assert "data:image/png;base64," in html.read_text("utf-8")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert json.loads(voxpop("report", "morning", "--json").stdout)["title"] == "Morning report: all watched companies"
    assert "not in 'fr'" in voxpop("report", "morning", "--lang", "fr", code=1).stderr
    assert "no time zone" in voxpop("report", "morning", "--zone", "Mars/Base", code=1).stderr
    assert "is no time" in voxpop("report", "morning", "--as-of", "today", code=1).stderr
    assert "no watchlist is called 'moon'" in voxpop("report", "weekly", "--watchlist", "moon", code=1).stderr
    assert "names nobody who gets a weekly report" in voxpop("report", "weekly", "--send", code=1).stderr


def test_the_command_sends_once(
    around: Surroundings, engine: Engine, voxpop: Run, office: PostOffice, tmp_path: Path
) -> None:
    known(around, engine)
    settings = mailed(around, tmp_path, desk(office), MORNING).settings
    extra = {"VOXPOP_ALERTS_FILE": settings.alerts_file, "VOXPOP_HOME": str(tmp_path)}
    asked = ("report", "morning", "--send", "--as-of", "2026-03-16T00:00Z")
    assert "queued for 1 receivers" in voxpop(*asked, **extra).stdout
    had = "nothing was sent: everybody has the report of this window already\n"
    assert voxpop(*asked, **extra).stdout == had
    quiet = (*asked[:-1], "2026-02-20T00:00Z")
    assert "nothing was sent: nothing happened in this window (--empty" in voxpop(*quiet, **extra).stdout
    with engine.begin() as connection:
        epoch.hold(connection)
    assert "nothing was sent: sending is held" in voxpop(*quiet, **extra).stdout
    assert len(office.mails) == 1
