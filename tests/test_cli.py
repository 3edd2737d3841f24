"""The commands as a person or a script runs them, each in a process of its own."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
COMMANDS = [
    *("bench", "demo", "evaluate", "train", "ingest", "run", "worker", "analyze", "serve", "doctor", "jobs", "schema"),
    *("sources add", "sources list", "sources test", "sources remove", "watchlist load", "watchlist list"),
    *("infer", "explain", "surge", "calibrate", "replay", "why", "events list", "events test"),
    *(f"alerts {name}" for name in ("list", "show", "ack", "silence", "resolve", "test", "release")),
    *("report morning", "report weekly"),
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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voxpop", *command.split(), "--help"], capture_output=True, text=True, check=True
    )
    assert "Example:" in done.stdout
    assert f"voxpop {command}" in re.sub(r"\s+", " ", done.stdout)


def test_what_is_malformed_goes_to_the_dead_letters_and_the_rest_goes_on(voxpop: Run, tmp_path: Path) -> None:
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
    assert "wire" in voxpop("dlq", "show", next(d["id"] for d in listed["dead_letters"] if d["position"] == 4)).stdout
    again = json.loads(voxpop("dlq", "replay", "--all", "--json").stdout)
    assert again == {"replayed": 0, "refused": 7}
    assert "1 erased" in voxpop("dlq", "erase", listed["dead_letters"][0]["id"]).stdout
    assert "6 raw records erased" in voxpop("db", "erase-raw").stdout, "what no consumer has read stays in the log"
    assert json.loads(voxpop("dlq", "list", "--json").stdout)["total"] == 0


def test_a_file_that_is_not_there_is_one_clear_line(voxpop: Run) -> None:
    done = voxpop("ingest", "nowhere.jsonl", code=1)
    assert "nowhere.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_feed_is_added_tried_and_listed(voxpop: Run) -> None:
    feed = (
        b'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>'
        b"<item><guid>1</guid><title>Apple falls</title>"
        b"<description>Shares of Apple fell.</description><pubDate>Mon, 02 Mar 2026 09:00:00 GMT</pubDate></item>"
        b"</channel></rss>"
    )

    class Feed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/rss+xml")
            self.end_headers()
            self.wfile.write(feed)

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/feed.xml"
    try:
        voxpop("sources", "add", url, "--name", "near")
        refused = voxpop("sources", "test", "near", code=1)
        assert "VOXPOP_FEED_PRIVATE_ADDRESSES" in refused.stderr
        tried = voxpop("sources", "test", "near", VOXPOP_FEED_PRIVATE_ADDRESSES="true")
        assert "1 items, 0 refused" in tried.stdout
        taken = voxpop("ingest", url, "--json", VOXPOP_FEED_PRIVATE_ADDRESSES="true")
        assert json.loads(taken.stdout)["items"] == 1
        assert json.loads(voxpop("sources", "list", "--json").stdout)[0]["detail"]["url"] == url
        voxpop("sources", "remove", "near")
        voxpop("sources", "remove", "near", code=1)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_watchlist_of_the_readme_is_loaded(voxpop: Run, tmp_path: Path) -> None:
    block = re.search(r"```csv\n(.*?)```", README, re.S)
    assert block
    path = tmp_path / "companies.csv"
    path.write_text(block[1], "utf-8")
    voxpop("watchlist", "load", str(path))
    (company,) = json.loads(voxpop("watchlist", "list", "--json").stdout)
    assert company["id"] == next(csv.DictReader(block[1].splitlines()))["id"]


def test_the_map_of_the_readme_brings_a_vendors_export_in(voxpop: Run, tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", README, re.S)
    assert block
    assert tomllib.loads(block[1])
    (tmp_path / "vendor.toml").write_text(block[1], "utf-8")
    record = {"uid": 7, "summary": "Apple shares fell", "meta": {"pub_ts": "2026-03-02T09:00:00Z"}}
    (tmp_path / "export.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
    done = voxpop("ingest", str(tmp_path / "export.jsonl"), "--map", str(tmp_path / "vendor.toml"), "--json")
    assert json.loads(done.stdout) == {"items": 1, "refused": 0}


def test_analyze_prints_one_object_a_line(tmp_path: Path) -> None:
    texts = ["Apple shares fell after the recall while Tesla soared", "", "苹果公司发布新手机", "hello 😀 world"]
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
    assert found[2]["sentiment"] is None, "what cannot be read is not guessed at"
    assert found[2]["mentions"][0]["sentiment"] is None


def test_doctor_and_status_speak_json(voxpop: Run) -> None:
    assert "files verified" in json.loads(voxpop("doctor", "--json").stdout)["checks"]["model"]
    status = json.loads(voxpop("db", "status", "--json").stdout)
    assert status["rows"]["documents"] == 0
    assert status["records_waiting"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_history_is_replayed_from_a_file_and_what_is_wrong_is_said(voxpop: Run, tmp_path: Path) -> None:
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
    assert "has nothing from 2030-01-01" in voxpop("replay", str(path), "--from", "2030-01-01", code=1, **home).stderr
    assert "no budget" in voxpop("replay", str(path), "--budget", "many", code=1, **home).stderr
    assert "is not a date" in voxpop("replay", str(path), "--to", "soon", code=1, **home).stderr
    assert "cannot be read" in voxpop("replay", str(tmp_path / "none.csv"), code=1, **home).stderr
    assert "no such folder" in voxpop("replay", str(path), "--out", "/nowhere/a.jsonl", code=1, **home).stderr
