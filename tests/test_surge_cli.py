"""``voxpop surge``: what the CSV may look like, and what is said when it does not."""

from __future__ import annotations

import csv
import inspect
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voxpop.cli import app, intake
from voxpop.cli import surge as command
from voxpop.errors import Refused
from voxpop.signals import series

assert intake  # a program of a single command would not be asked for it by name

START = datetime(2026, 3, 2, tzinfo=UTC)
SPIKE = 150


def rows(count: int = 200) -> list[tuple[str, str]]:
    """Hourly values about 100 with one spike."""
    times = [f"{START + timedelta(hours=number):%Y-%m-%d %H:%M:%S}" for number in range(count)]
    return [(at, "900" if number == SPIKE else str(100 + number * 7 % 11)) for number, at in enumerate(times)]


def text_of(body: list[tuple[str, str]], header: str = "timestamp,value") -> str:
    return "\n".join([header, *(",".join(row) for row in body)]) + "\n"


def scored(text: str | bytes, tmp_path: Path, *options: str) -> tuple[str, str]:
    """What the command prints to stdout and stderr."""
    path = tmp_path / "series.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = CliRunner().invoke(app, ["surge", str(path), *options])
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_rows_come_back_with_score_and_alert(tmp_path: Path) -> None:
    out, told = scored(text_of(rows()), tmp_path)
    found = read(out)
    assert [(row["timestamp"], row["value"]) for row in found] == rows()
    assert all(0 <= float(row["score"]) <= 1 for row in found)
    assert [number for number, row in enumerate(found) if row["alert"] == "1"] == [SPIKE]
    assert {row["alert"] for row in found} == {"0", "1"}
    assert told == "200 rows, 1 alerts\n"


def test_the_same_from_a_pipe_in_a_process_of_its_own() -> None:
    arguments = [sys.executable, "-m", "voxpop", "surge", "-"]
    done = subprocess.run(arguments, input=text_of(rows()).encode(), capture_output=True, check=True)
    assert sum(row["alert"] == "1" for row in read(done.stdout.decode())) == 1


def test_a_file_and_json_lines(tmp_path: Path) -> None:
    body = rows()
    body[20] = (body[20][0], "")
    out = tmp_path / "scored.jsonl"
    printed, told = scored(text_of(body, "Timestamp,Value"), tmp_path, "--json", "--out", str(out))
    found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert printed == ""
    assert "1 rows have no value: score 0" in told
    assert found[20] == {"timestamp": body[20][0], "value": None, "score": 0.0, "alert": 0}
    assert found[SPIKE]["value"] == 900.0
    assert [row["alert"] for row in found].index(1) == SPIKE


def test_bom_header_in_other_case_line_ends_and_extra_columns(tmp_path: Path) -> None:
    lines = ["note,VALUE, Timestamp ", *(f'"a, {value}",{value},{at}' for at, value in rows())]
    out, _ = scored(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n", tmp_path)
    found = list(csv.reader(io.StringIO(out)))
    assert found[0] == ["note", "VALUE", " Timestamp ", "score", "alert"]
    assert found[1 + SPIKE][:2] == ["a, 900", "900"]
    assert [row[4] for row in found].index("1") == 1 + SPIKE


def test_rows_out_of_order_are_scored_in_time_and_written_as_they_came(tmp_path: Path) -> None:
    body = rows()
    out, told = scored(text_of(body[::-1]), tmp_path)
    straight, quiet = scored(text_of(body), tmp_path)
    assert read(out) == read(straight)[::-1]
    assert "do not ascend in 199 places" in told
    assert "ascend" not in quiet


def test_repeated_timestamps_are_kept_and_told(tmp_path: Path) -> None:
    body = rows()
    out, told = scored(text_of([*body[:50], body[49], *body[50:]]), tmp_path)
    assert len(read(out)) == 201
    assert "1 rows repeat a timestamp" in told


def test_a_header_alone_gives_a_header(tmp_path: Path) -> None:
    out, told = scored("timestamp,value\n", tmp_path)
    assert out == "timestamp,value,score,alert\n"
    assert told == "0 rows, 0 alerts\n"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("2026-03-02", 0),
        ("20260302", 0),
        ("2026-03-02 01:00", 3600),
        ("2026-03-02T01:00:00Z", 3600),
        ("2026-03-02T01:00:00+01:00", 0),
        (str(int(START.timestamp())), 0),
        (f"{START.timestamp() + 0.5}", 0.5),
    ],
)
def test_timestamps_that_are_read(given: str, seconds: float) -> None:
    table = command.parse(f"timestamp,value\n{given},1\n")
    assert table.seconds == [START.timestamp() + seconds]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-02,1\n", "line 1: the header names no column timestamp"),
        ("timestamp,count\n", "line 1: the header names no column value"),
        ("timestamp,value,Value\n", "line 1: two columns have the same name"),
        ("timestamp,value,Score\n", "line 1: there is a column score already"),
        ("timestamp,value\n2026-03-02,1\n\n2026-03-03,many\n", "line 4: 'many' is no number"),
        ("timestamp,value\n2026-03-02,inf\n", "line 2: 'inf' is no number"),
        ("timestamp,value\n2026-03-02,1_0\n", "line 2: '1_0' is no number"),
        ("timestamp,value\n2026-03-02,1,5\n", "line 2: 3 cells where the header has 2"),
        ("timestamp,value\n02/03/2026,1\n", "line 2: '02/03/2026' is no timestamp"),
        ("timestamp,value\n1772409600000000,1\n", "line 2: '1772409600000000' is no timestamp"),
        ("timestamp,value\n,1\n", "line 2: '' is no timestamp"),
        ('timestamp,value,note\n2026-03-02,1,"two\nlines"\n2026-03-03,x,\n', "line 4: 'x' is no number"),
        ('timestamp,value\n2026-03-02,"1\n', "line 2: not CSV"),
    ],
)
def test_a_bad_line_is_named(text: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        command.parse(text)
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n\n", "is empty"),
        ("timestamp,value\n".encode("utf-16"), "is not UTF-8"),
        (b"timestamp,value\n2026-03-02,?\n", "series.csv, line 2: '?' is no number"),
        (None, "cannot read"),
    ],
)
def test_a_bad_file_is_one_line_on_stderr_and_exit_code_1(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(app, ["surge", str(path)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_level_of_the_command_is_that_of_the_rule(tmp_path: Path) -> None:
    assert inspect.signature(command.surge).parameters["level"].default == series.Rule().level
    _, told = scored(text_of(rows()), tmp_path, "--level", "1")
    assert told == "200 rows, 0 alerts\n"
