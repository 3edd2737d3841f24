"""The commands as a person or a script runs them: each in a process of its own, and what follows from it within
this one, which has imported what each of them would.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner, Result

from tests import commands
from tests.sources.loopback import serving
from voxpop import cli
from voxpop.cli import intake as _commands  # noqa: F401 - which registers itself

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
COMMANDS = [
    *("bench", "demo", "evaluate", "train", "ingest", "run", "worker", "analyze", "serve", "doctor", "jobs", "schema"),
    *("sources add", "sources list", "sources test", "sources remove", "watchlist load", "watchlist list"),
    *("infer", "explain", "surge", "calibrate", "replay", "why", "events list", "events test", "events weigh"),
    *(f"alerts {name}" for name in ("list", "show", "ack", "silence", "resolve", "test", "release")),
    *("report morning", "report weekly", "tokens create", "tokens list"),
    *("tokens rotate", "tokens revoke", "audit"),
    *("models list", "models show", "models pull", "models verify", "models promote", "models undo"),
    *("models shadow list", "models shadow status", "models shadow run", "backup", "restore", "erase"),
    *("dlq list", "dlq show", "dlq replay", "dlq erase", "db upgrade", "db downgrade", "db status", "db erase-raw"),
]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def voxpop(database_url: str) -> Run:
    """Runs a command on the test's own database."""
    environ = {**os.environ, "VOXPOP_DATABASE_URL": database_url.replace("+psycopg", ""), "COLUMNS": "200"}

    def run(*arguments: str, given: str = "", code: int = 0, **extra: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "voxpop", *arguments],
            input=given,
            capture_output=True,
            text=True,
            env={**environ, **extra},
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def again(database_url: str) -> commands.Run:
    """Runs a command within this process, on the same database."""
    return commands.on(database_url)


def test_the_help_lists_every_command_in_a_panel() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, cli.Listed)
    listed = [name for names in cli.PANELS.values() for name in names]
    assert sorted(listed) == sorted(group.commands)
    done = subprocess.run([sys.executable, "-m", "voxpop", "--help"], capture_output=True, text=True, check=True)
    places = [done.stdout.index(f"─ {panel} ─") for panel in cli.PANELS]
    assert places == sorted(places)
    assert set(re.findall(r"^│ (\w+) ", done.stdout, re.M)) >= set(listed), "the program has them all"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "Example:" in done.stdout
    assert f"voxpop {command}" in re.sub(r"\s+", " ", done.stdout)


def test_what_is_malformed_goes_to_the_dead_letters_and_the_rest_goes_on(
    voxpop: Run, again: commands.Run, tmp_path: Path
) -> None:
    good = {"source": "wire", "channel": "news", "published_at": "2026-03-02T09:00:00Z", "text": "Apple shares fell"}
    lines = [
        json.dumps({**good, "id": 1}),
        "{not json",
        json.dumps({**good, "id": 3, "text": ""}),
        json.dumps({**good, "id": 4, "published_at": "2026-03-02 09:00"}),
        json.dumps({**good, "id": 5, "published_at": "2999-01-01T00:00:00Z"}),
        json.dumps({**good, "id": 6, "text": "x" * 5_000_000}),
        json.dumps({**good, "id": 7, "text": "a\x00b"}),
        json.dumps({**good, "id": 8}),
    ]
    path = tmp_path / "items.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b'\n{"text": "\xff"}\n'))
    done = voxpop("ingest", str(path), "--json", code=2)
    assert json.loads(done.stdout) == {"items": 2, "refused": 7}
    listed = json.loads(voxpop("dlq", "list", "--json").stdout)
    assert listed["total"] == 7
    assert sorted(d["position"] for d in listed["dead_letters"]) == [2, 3, 4, 5, 6, 7, 9]
    assert all(d["reason"] for d in listed["dead_letters"])
    assert "wire" in again("dlq", "show", next(d["id"] for d in listed["dead_letters"] if d["position"] == 4)).stdout
    replayed = json.loads(again("dlq", "replay", "--all", "--json").stdout)
    assert replayed == {"replayed": 0, "refused": 7}
    assert "1 erased" in again("dlq", "erase", listed["dead_letters"][0]["id"]).stdout
    assert "6 raw records erased" in again("db", "erase-raw").stdout, "what no consumer has read stays in the log"
    assert json.loads(again("dlq", "list", "--json").stdout)["total"] == 0


def test_a_file_that_is_not_there_is_one_clear_line(voxpop: Run) -> None:
    done = voxpop("ingest", "nowhere.jsonl", code=1)
    assert "nowhere.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


FEED = (
    b'<?xml version="1.0"?><rss version="2.0"><channel><title>The [near] wire</title>'
    b"<item><guid>1</guid><title>Apple falls</title>"
    b"<description>Shares of Apple fell.</description><pubDate>Mon, 02 Mar 2026 09:00:00 GMT</pubDate></item>"
    b"</channel></rss>"
)


def test_a_feed_is_added_tried_and_listed(voxpop: Run, again: commands.Run) -> None:
    allowed = {"VOXPOP_FEED_PRIVATE_ADDRESSES": "true"}
    with serving() as site:
        url = site.serve("/feed.xml", FEED)
        refused = voxpop("sources", "add", url, "--name", "near", code=1)
        assert "VOXPOP_FEED_PRIVATE_ADDRESSES" in refused.stderr
        assert json.loads(again("sources", "list", "--json").stdout) == [], "what no poll could read is not kept"
        again("sources", "add", url, "--name", "near", **allowed)
        tried = again("sources", "test", "near", **allowed)
        assert "near: 1 items, 0 refused" in tried.stdout
        taken = again("ingest", url, "--json", **allowed)
        assert json.loads(taken.stdout)["items"] == 1
        assert json.loads(again("sources", "list", "--json").stdout)[0]["detail"]["url"] == url
        again("sources", "remove", "near")
        again("sources", "remove", "near", code=1)


def test_a_feed_without_a_name_is_called_as_it_calls_itself(again: commands.Run) -> None:
    run, allowed = again, {"VOXPOP_FEED_PRIVATE_ADDRESSES": "true"}
    with serving() as site:
        first, second = site.serve("/1", FEED), site.serve("/2", FEED)
        added = run("sources", "add", first, **allowed)
        assert "The [near] wire is kept; try it: voxpop sources test 'The [near] wire'" in added.output
        run("sources", "add", first, **allowed)
        run("sources", "add", second, **allowed)
        away = run("sources", "add", site.url("/away"), **allowed)
        assert "answered 404" in away.output
        assert "The [near] wire" in run("sources", "list").output
        kept = {k["name"]: k["detail"]["url"] for k in json.loads(run("sources", "list", "--json").output)}
        assert kept == {"The [near] wire": first, "127.0.0.1": second, site.url("/away"): site.url("/away")}
        assert "The [near] wire: 1 items, 0 refused" in run("sources", "test", second, **allowed).output


def test_a_feed_is_kept_once_and_shown_whole(again: commands.Run) -> None:
    allowed = {"VOXPOP_FEED_PRIVATE_ADDRESSES": "true"}
    name = "a" + "-long" * 20 + "-name"
    with serving() as site:
        url = site.serve("/feed.xml", FEED)
        again("sources", "add", url, "--name", name, **allowed)
        refused = again("sources", "add", url, "--name", "other", code=1, **allowed)
    assert f"kept already, as '{name}'" in refused.stderr
    again("sources", "add", url, "--name", name, **allowed)
    listed = again("sources", "list", COLUMNS="80").stdout
    column = "".join(line.split("│")[1].strip() for line in listed.splitlines() if line.startswith("│"))
    assert column == name
    settings = again("doctor", COLUMNS="60").stdout
    assert "…" not in settings.replace("://…", "").replace("=…", "")


def test_run_tells_whoever_sits_at_a_terminal_what_is_read_and_how_far(voxpop: Run, database_url: str) -> None:
    assert voxpop("run", "--until-idle").stderr == "", "a log is told nothing but what goes wrong"
    environ = {**os.environ, "VOXPOP_DATABASE_URL": database_url.replace("+psycopg", ""), "COLUMNS": "200"}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "voxpop", "run", "--until-idle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environ, text=True) as process:
        os.close(theirs)
        said = _all_of(ours)
    assert process.returncode == 0, said
    assert "Feeds polled: none yet (voxpop sources add URL)." in said
    assert "0 documents read, 0 records waiting, 0 alerts" in said


def _all_of(terminal: int) -> str:
    """What is written to a terminal until nobody holds it any more."""
    said = b""
    with suppress(OSError):  # as Linux says that the other end is closed
        while block := os.read(terminal, 4096):
            said += block
    os.close(terminal)
    return said.decode("utf-8", "replace")


def test_the_watchlist_of_the_readme_is_loaded(voxpop: Run, again: commands.Run, tmp_path: Path) -> None:
    block = re.search(r"```csv\n(.*?)```", README, re.S)
    assert block
    path = tmp_path / "companies.csv"
    path.write_text(block[1], "utf-8")
    voxpop("watchlist", "load", str(path))
    (company,) = json.loads(again("watchlist", "list", "--json").stdout)
    assert company["id"] == next(csv.DictReader(block[1].splitlines()))["id"]


def test_loading_says_what_it_changes_and_whose_names_are_the_same(again: commands.Run, tmp_path: Path) -> None:
    path = tmp_path / "companies.csv"

    def load(*lines: str, code: int = 0, option: Sequence[str] = ()) -> Result:
        path.write_text("\n".join(("id,name,aliases", *lines)) + "\n", "utf-8")
        return again("watchlist", "load", str(path), *option, code=code)

    first = load("a,Alpha Bank,Alpha", "b,Bolt,")
    assert (first.stdout, first.stderr) == ("2 entities are watched: 2 added, 0 changed, 0 removed\n", "")
    second = load("a,Alpha Bank,Alpha", "b,Bolt,Bolts", "c,Alpha Motors,Alpha")
    assert second.stdout == "3 entities are watched: 1 added, 1 changed, 0 removed\n"
    assert second.stderr == "'Alpha' is a name of a and of c: a text that uses it alone may mean either\n"
    assert "names nobody" in load(code=1).stderr
    assert len(json.loads(again("watchlist", "list", "--json").stdout)) == 3, "the list stays as it was"
    assert load(option=["--empty"]).stdout == "0 entities are watched: 0 added, 0 changed, 3 removed\n"


def test_the_map_of_the_readme_brings_a_vendors_export_in(again: commands.Run, tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", README, re.S)
    assert block
    assert tomllib.loads(block[1])
    (tmp_path / "vendor.toml").write_text(block[1], "utf-8")
    record = {"uid": 7, "summary": "Apple shares fell", "meta": {"pub_ts": "2026-03-02T09:00:00Z"}}
    (tmp_path / "export.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
    done = again("ingest", str(tmp_path / "export.jsonl"), "--map", str(tmp_path / "vendor.toml"), "--json")
    assert json.loads(done.stdout) == {"items": 1, "refused": 0}


def test_analyze_prints_one_object_a_line(tmp_path: Path) -> None:
    texts = [
        "Apple shares fell after the recall while Tesla soared",
        "",
        "苹果公司发布新手机",
        "hello 😀 world",
        "애플 주가가 하락했다",
    ]
    environ = {k: v for k, v in os.environ.items() if k != "VOXPOP_DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "voxpop", "analyze"],
        input="\n".join(texts) + "\n",
        capture_output=True,
        text=True,
        env={**environ, "VOXPOP_HOME": str(tmp_path / "never made")},
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f["text"] for f in found] == texts
    assert not (tmp_path / "never made").exists(), "it needs no database"
    first = found[0]
    assert {"apple", "tesla"} <= {m["entity"] for m in first["mentions"]}
    for mention in first["mentions"]:
        assert first["text"][mention["start"] : mention["end"]].lower() == mention["entity"]
        assert sum(mention["sentiment"]["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert first["sentiment"]["label"] in ("negative", "neutral", "positive")
    assert 0 < first["topics"][0]["score"] <= 1
    assert found[2]["lang"] == "zh"
    assert found[2]["mentions"][0]["sentiment"]["label"] in ("negative", "neutral", "positive", "unsure")
    assert found[4]["sentiment"] is None, "what cannot be read is not guessed at"


def test_analyze_reads_up_to_the_line_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "gbk.txt"
    path.write_bytes(b"Apple fell\n" + "苹果公司发布新手机\n".encode("gbk"))
    done = CliRunner().invoke(cli.app, ["analyze", str(path)])
    assert done.exit_code == 1
    assert "line 2 is not UTF-8 (byte 2): save it as UTF-8" in done.stderr
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["Apple fell"]


def test_the_list_that_comes_with_it_is_told_of_until_somebody_has_chosen(again: commands.Run, tmp_path: Path) -> None:
    begun = again("watchlist", "list").stdout
    (count,) = re.findall(r"`voxpop run` begins with the (\d+) companies", begun)
    assert f"without it, run begins with {count} large" in README
    path = tmp_path / "companies.csv"
    path.write_text("id,name\n", "utf-8")
    again("watchlist", "load", "--empty", str(path))
    assert again("watchlist", "list").stdout == "Nobody is watched: voxpop watchlist load FILE.csv\n"


def test_doctor_and_status_speak_json(voxpop: Run, again: commands.Run) -> None:
    assert "files verified" in json.loads(voxpop("doctor", "--json").stdout)["checks"]["model"]
    status = json.loads(again("db", "status", "--json").stdout)
    assert status["rows"]["documents"] == 0
    assert status["records_waiting"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_history_is_replayed_from_a_file_and_what_is_wrong_is_said(
    voxpop: Run, again: commands.Run, tmp_path: Path
) -> None:
    path, out = tmp_path / "news.jsonl", tmp_path / "alerts.jsonl"
    items = [
        {"id": str(n), "published_at": f"2026-03-{2 + n:02d}T09:00:00Z", "text": f"Apple told of chips {n}"}
        for n in range(5)
    ]
    path.write_text("".join(json.dumps(item) + "\n" for item in items) + "{broken\n", "utf-8")
    home = {"VOXPOP_HOME": str(tmp_path)}
    done = voxpop("replay", str(path), "--budget", "5/day", "--out", str(out), **home)
    assert "alerts: none" in done.stderr
    assert "1 records refused" in done.stderr
    assert out.read_bytes() == b""
    assert "has nothing from 2030-01-01" in again("replay", str(path), "--from", "2030-01-01", code=1, **home).stderr
    assert "no budget" in again("replay", str(path), "--budget", "many", code=1, **home).stderr
    assert "is not a date" in again("replay", str(path), "--to", "soon", code=1, **home).stderr
    assert "cannot be read" in again("replay", str(tmp_path / "none.csv"), code=1, **home).stderr
    assert "no such folder" in again("replay", str(path), "--out", "/nowhere/a.jsonl", code=1, **home).stderr


def test_text_of_people_is_never_read_as_markup(again: commands.Run, tmp_path: Path) -> None:
    assert "no feed is called '[/x]'" in again("sources", "remove", "[/x]", code=1).stderr
    assert "cannot read [bold]x.csv" in again("watchlist", "load", "[bold]x.csv", code=1).stderr
    listed = tmp_path / "companies.csv"
    listed.write_text("id,name,sector\nacme,[red]Acme[/b],[/c]\n", "utf-8")
    again("watchlist", "load", str(listed))
    assert {"[red]Acme[/b]", "[/c]"} <= set(again("watchlist", "list").stdout.split())
    (tmp_path / "[b]items.jsonl").write_text("{[/i]\n", "utf-8")
    again("ingest", str(tmp_path / "[b]items.jsonl"), code=2)
    (dead,) = json.loads(again("dlq", "list", "--json").stdout)["dead_letters"]
    assert "[b]items.jsonl" in again("dlq", "list").stdout
    assert "[b]items.jsonl" in again("dlq", "show", dead["id"]).stdout
    with serving() as site:
        url = site.serve("/feed.xml", FEED.replace(b"Apple falls", b"[/b] falls"))
        assert "[/b] falls" in again("sources", "test", url, VOXPOP_FEED_PRIVATE_ADDRESSES="true").stdout


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:pa55word@127.0.0.1:1/x", "cannot be reached: .*port 1.*correct VOXPOP_DATABASE_URL"),
        ("mysql://u:pa55word@127.0.0.1/x", "must name a PostgreSQL server: postgresql://"),
        ("postgresql://u:pa55word@127.0.0.1:many/x", "is malformed: it is written postgresql://"),
    ],
)
def test_a_database_that_cannot_be_had_is_one_sentence_without_its_password(url: str, said: str) -> None:
    for command in (["watchlist", "list"], ["demo", "--no-serve"]):
        done = CliRunner().invoke(cli.app, command, env={"VOXPOP_DATABASE_URL": url})
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1 + done.stderr.count("Starting")), done.output
        assert re.search(said, done.stderr)
        assert "pa55word" not in done.output


def test_what_cannot_be_written_or_served_is_one_sentence(again: commands.Run, tmp_path: Path) -> None:
    for option in ("--html", "--pdf"):
        refused = again("report", "morning", option, "/nowhere/x", code=1)
        assert refused.stderr == "voxpop: /nowhere/x cannot be written: there is no such folder, or it is one\n"
    assert "cannot be written" in again("demo", "--export", str(tmp_path), code=1).stderr
    assert "99999 is no port" in again("serve", "--port", "99999", code=1).stderr
