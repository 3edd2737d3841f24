from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from voxpop.errors import Refused, SettingError
from voxpop.sources.door import admit
from voxpop.sources.layouts import Layout

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

VENDOR = """
[map]
id = "uid"
text = ["body", "summary"]
published_at = "meta.pub_ts"
author = "authors.0.name"
channel = "kind"
[formats]
published_at = ["%d/%m/%Y %H:%M", "epoch ms"]
zone = "Europe/London"
[values.channel]
tweet = "social"
7 = "news"
[constants]
source = "vendor-x"
channel = "news"
"""


def _layout(tmp_path: Path, toml: str = VENDOR) -> Layout:
    path = tmp_path / "vendor.toml"
    path.write_text(toml)
    return Layout.load(path)


def test_another_layout_becomes_an_item(tmp_path: Path) -> None:
    record = {
        "uid": 7,
        "body": " ",
        "summary": "Profit warning",
        "meta": {"pub_ts": "01/07/2025 09:30"},
        "authors": [{"name": "Ann"}],
        "kind": "tweet",
    }
    fields = _layout(tmp_path).apply(record)
    item = admit(fields, received_at=NOW, now=NOW)
    assert (item.source, item.id, item.text, item.author, item.channel) == (
        "vendor-x",
        "7",
        "Profit warning",
        "Ann",
        "social",
    )
    assert item.published_at == datetime(2025, 7, 1, 8, 30, tzinfo=UTC)  # summer time


def test_the_second_format_is_tried_and_constants_fill_what_is_missing(tmp_path: Path) -> None:
    fields = _layout(tmp_path).apply({"body": "x", "meta": {"pub_ts": 1751358600000}})
    assert fields["published_at"] == datetime(2025, 7, 1, 8, 30, tzinfo=UTC)
    assert fields["channel"] == "news"


@pytest.mark.parametrize("value", ["yesterday", [1], "1e999", -1e30, "nan", {"a": 1}])
def test_a_date_in_no_format_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(Refused, match="published_at"):
        _layout(tmp_path).apply({"body": "x", "meta": {"pub_ts": value}})


def test_a_zoneless_date_without_a_zone_in_the_layout_is_refused_at_the_door(tmp_path: Path) -> None:
    layout = _layout(tmp_path, '[map]\ntext = "t"\npublished_at = "d"\n[constants]\nsource = "s"\nchannel = "news"')
    fields = layout.apply({"t": "x", "d": "2025-01-01T10:00:00"})
    with pytest.raises(Refused, match="no zone"):
        admit(fields, received_at=NOW, now=NOW)
    offset = layout.apply({"t": "x", "d": "2025-01-01T10:00:00+08:00"})
    assert admit(offset, received_at=NOW, now=NOW).published_at == datetime(2025, 1, 1, 2, tzinfo=UTC)


def test_split_gives_one_record_an_element(tmp_path: Path) -> None:
    toml = 'split = "data.posts"\n[map]\ntext = "t"\npublished_at = "day"\nsource = "name"'
    layout = _layout(tmp_path, toml)
    value = {"name": "s", "day": "2025-01-01T00:00Z", "data": {"posts": [{"t": "a"}, {"t": "b", "name": "own"}]}}
    records = [layout.apply(element, holder) for element, holder in layout.elements(value)]
    assert [(r["text"], r["source"]) for r in records] == [("a", "s"), ("b", "own")]
    with pytest.raises(Refused, match="no list at"):
        layout.elements({"data": 3})


def test_a_key_with_dots_is_found(tmp_path: Path) -> None:
    layout = _layout(tmp_path, '[map]\ntext = "a.b"\npublished_at = "d"')
    assert layout.apply({"a.b": "flat", "d": "2025-01-01T00:00Z"})["text"] == "flat"


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("", "map.text"),
        ('[map]\ntext = "t"', "map.published_at"),
        ('[map]\ntext = "t"\npublished_at = "d"\nbody = "x"', "map.body"),
        ('[map]\ntext = 3\npublished_at = "d"', "map.text"),
        ('[map]\ntext = []\npublished_at = "d"', "map.text"),
        ('maps = 1\n[map]\ntext = "t"\npublished_at = "d"', "maps"),
        ('[map]\ntext = "t"\npublished_at = "d"\n[formats]\nzone = "Mars/Base"', "formats.zone"),
        ('[map]\ntext = "t"\npublished_at = "d"\n[formats]\nzone = "../etc"', "formats.zone"),
        ('[map]\ntext = "t"\npublished_at = "d"\n[formats]\npublished_at = "epoch"', "formats.published_at"),
        ('[map]\ntext = "t"\npublished_at = "d"\n[constants]\nreceived_at = "x"', "constants.received_at"),
        ('[map]\ntext = "t"\npublished_at = "d"\n[values]\nchannel = "x"', "channel"),
        ('[map]\ntext = "t"\npublished_at = "d"\n[csv]\ndelimiter = "ab"', "csv.delimiter"),
        ("[map", "vendor.toml"),
    ],
)
def test_a_wrong_layout_names_its_key(tmp_path: Path, toml: str, key: str) -> None:
    with pytest.raises(SettingError, match=key):
        _layout(tmp_path, toml)


def test_a_missing_layout_is_a_setting_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="nowhere"):
        Layout.load(tmp_path / "nowhere.toml")
