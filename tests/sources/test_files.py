from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxpop.errors import SettingError
from voxpop.records import DeadLetter, Item
from voxpop.sources.door import MAX_PAYLOAD
from voxpop.sources.files import read
from voxpop.sources.layouts import Layout
from voxpop.sources.lines import MAX_LINE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEFAULTS = {"source": "s", "channel": "news"}
HEADER = b"id,published_at,title,text\n"
DATE = "2026-02-01T00:00:00Z"


def _read(raw: bytes, name: str = "", layout: Layout | None = None) -> list[Item | DeadLetter]:
    return list(read(io.BytesIO(raw), defaults=DEFAULTS, layout=layout, received_at=NOW, now=NOW, name=name))


def _texts(results: list[Item | DeadLetter]) -> list[str]:
    return [r.text for r in results if isinstance(r, Item)]


def _refused(results: list[Item | DeadLetter]) -> list[tuple[int | None, str]]:
    return [(r.position, r.reason) for r in results if isinstance(r, DeadLetter)]


def _line(text: str, **more: object) -> bytes:
    return json.dumps({"published_at": DATE, "text": text, **more}).encode() + b"\n"


def test_each_bad_line_is_a_dead_letter_and_the_rest_goes_on() -> None:
    raw = b"".join(
        [
            _line("one"),
            b'{"text": "cut\n',
            b"[1, 2]\n",
            b"\n",
            b'{"text": "\xe9t\xe9"}\n',
            b'{"text": "a\0b"}\n',
            _line("", id=5),
            _line("later", published_at="2027-01-01T00:00:00Z"),
            _line("zoneless", published_at="2026-01-01T00:00:00"),
            _line("x" * 2_000_000),
            b"[" * 100_000 + b"\n",
            _line("two").rstrip(),
        ]
    )
    results = _read(raw, "posts.jsonl")
    assert _texts(results) == ["one", "two"]
    refused = _refused(results)
    assert [position for position, _ in refused] == [2, 3, 5, 6, 7, 8, 9, 10, 11]
    expected = ["not JSON", "not an object", "UTF-8", "NUL", "missing", "future", "no zone", "1,000,000", "not JSON"]
    for (_, reason), part in zip(refused, expected, strict=True):
        assert part in reason
    letters = [r for r in results if isinstance(r, DeadLetter)]
    assert {letter.origin for letter in letters} == {"posts.jsonl"}
    assert letters[0].payload == b'{"text": "cut'
    assert all(len(letter.payload) <= MAX_PAYLOAD for letter in letters)


def test_a_dead_letter_of_the_door_replays_without_its_file() -> None:
    (letter,) = _read(HEADER + b"7,2026-04-01T00:00:00Z,,soon\n", "a.csv")
    assert isinstance(letter, DeadLetter)
    later = datetime(2026, 5, 1, tzinfo=UTC)
    (item,) = read(io.BytesIO(letter.payload), defaults={}, received_at=later, now=later)
    assert isinstance(item, Item)
    assert (item.id, item.source, item.text) == ("7", "s", "soon")


def test_a_line_beyond_the_limit_is_passed_over_in_bounded_memory() -> None:
    path_like = _Endless(head=_line("one"), middle=64 * MAX_LINE, tail=b"\n" + _line("two"))
    tracemalloc.start()
    results = list(read(path_like, defaults=DEFAULTS, received_at=NOW, now=NOW, name="a.jsonl"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert _texts(results) == ["one", "two"]
    assert [position for position, _ in _refused(results)] == [2]
    assert peak < 5 * MAX_LINE


class _Endless(io.BytesIO):
    """``head``, then ``middle`` bytes that exist only as they are read, then ``tail``."""

    def __init__(self, head: bytes, middle: int, tail: bytes) -> None:
        super().__init__(tail)
        self._head = head
        self._middle = middle

    def read1(self, size: int | None = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        if self._middle:
            count = min(self._middle, size or 1)
            self._middle -= count
            return b"x" * count
        return super().read1(size)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.ndjson", "-", "a.jsonl"])
def test_compression_is_told_by_content(name: str) -> None:
    plain = _line("one") + _line("two")
    assert _texts(_read(gzip.compress(plain), name)) == ["one", "two"]
    assert _texts(_read(plain, name)) == ["one", "two"]
    assert _texts(_read(b"\xef\xbb\xbf" + plain, name)) == ["one", "two"]
    assert _texts(_read(gzip.compress(_line("one")) + gzip.compress(_line("two")), name)) == ["one", "two"]


def test_a_truncated_gzip_file_gives_what_was_read_and_one_dead_letter() -> None:
    packed = gzip.compress(b"".join(_line(f"{i} {hash(str(i))}") for i in range(2000)))
    results = _read(packed[: len(packed) // 2], "a.jsonl.gz")
    texts = _texts(results)
    assert 500 < len(texts) < 2000
    assert _refused(results) == [(len(texts) + 1, "the gzip file ends early; the rest is missing")]
    assert isinstance(results[-1], DeadLetter)


def test_a_damaged_gzip_file_gives_one_dead_letter() -> None:
    packed = bytearray(gzip.compress(b"".join(_line(f"{i} {hash(str(i))}") for i in range(2000))))
    packed[len(packed) // 2] ^= 0xFF
    results = _read(bytes(packed), "a.jsonl.gz")
    assert "gzip" in _refused(results)[-1][1]
    assert isinstance(results[-1], DeadLetter)
    tail = _read(gzip.compress(_line("one")) + b"garbage", "a.jsonl.gz")
    assert _texts(tail) == ["one"]
    assert "damaged" in _refused(tail)[0][1]


def test_a_decompression_bomb_is_stopped() -> None:
    block = gzip.compress((b" " * 1023 + b"\n") * (4 << 10))
    results = _read(gzip.compress(_line("one")) + block * 20, "a.jsonl.gz")
    assert _texts(results) == ["one"]
    assert [reason for _, reason in _refused(results)] == [
        "the gzip file expands more than 200-fold; the rest was not read"
    ]


def test_csv_follows_rfc_4180_and_counts_lines() -> None:
    raw = (
        HEADER
        + f'1,{DATE},"Quote ""here""","two\r\nlines, one comma"\r\n'.encode()
        + b"\n"
        + f"2,{DATE},short\n".encode()
        + f'3,{DATE},5" screen,plain\n'.encode()
        + b"4,2026-02-01,,zoneless\n"
        + f"5,{DATE},headline,\n".encode()
        + b"6,\xff,,latin\n"
        + f'7,{DATE},,"{"y" * 200_000}"'.encode()
    )
    results = _read(raw, "posts.csv")
    assert _texts(results) == ["two\r\nlines, one comma", "plain", "headline", "y" * 200_000]
    assert [r.title for r in results if isinstance(r, Item)][:2] == ['Quote "here"', '5" screen']
    refused = _refused(results)
    assert [position for position, _ in refused] == [5, 7, 9]
    assert refused[0][1] == "3 columns where the header has 4"
    assert "UTF-8" in refused[2][1]


def test_an_unclosed_quote_costs_its_rows_only() -> None:
    raw = HEADER + f'1,{DATE},,a\n2,{DATE},,"open\n3,{DATE},,c\n4,{DATE},"t",d\n5,{DATE},,e\n'.encode()
    results = _read(raw, "a.csv")
    assert _texts(results) == ["a", "e"]
    assert [position for position, _ in _refused(results)] == [3]
    last = _read(HEADER + f'1,{DATE},,a\n2,{DATE},,"open\nmore\n'.encode(), "a.csv")
    assert _refused(last) == [(3, "a quote is not closed; lines 3 to 4 were passed over")]


def test_csv_without_a_header_is_refused_once() -> None:
    for raw in (f"1,{DATE},t,x\n".encode() * 3, b"text,text,published_at\n1,2,3\n", b"\xff\xff\n1\n"):
        results = _read(raw, "a.csv")
        assert len(results) == 1
        assert "header row" in _refused(results)[0][1]


def test_csv_by_content_and_gzip() -> None:
    raw = HEADER + f"1,{DATE},,a\n".encode()
    assert _texts(_read(raw)) == _texts(_read(gzip.compress(raw))) == _texts(_read(b"\xef\xbb\xbf" + raw)) == ["a"]


def test_a_layout_reads_another_csv() -> None:
    layout = Layout.parse(
        {
            "map": {"text": "Body", "published_at": "Day"},
            "formats": {"published_at": "%d.%m.%Y", "zone": "Asia/Shanghai"},
            "csv": {"delimiter": ";"},
        }
    )
    results = _read(b'Day;Body\n02.02.2026;"a;b"\nsoon;c\n', "v.csv", layout)
    assert _texts(results) == ["a;b"]
    assert [r.published_at for r in results if isinstance(r, Item)] == [datetime(2026, 2, 1, 16, tzinfo=UTC)]
    assert _refused(results)[0][0] == 3


def test_a_layout_splits_an_object_into_items_and_letters() -> None:
    layout = Layout.parse({"split": "posts", "map": {"text": "t", "published_at": "d"}})
    raw = json.dumps({"d": DATE, "posts": [{"t": "a"}, 7, {"t": ""}, {"t": "b"}]}).encode()
    results = _read(raw + b"\n{}\n", "v.jsonl", layout)
    assert _texts(results) == ["a", "b"]
    assert [position for position, _ in _refused(results)] == [1, 1, 2]


def test_utf16_is_one_dead_letter() -> None:
    results = _read((HEADER * 5).decode().encode("utf-16"), "a.csv")
    assert _refused(results) == [(1, "the file is UTF-16; only UTF-8 can be read")]


def test_progress_counts_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(_line(f"{i} {hash(str(i))}") for i in range(20_000))))
    seen: list[int] = []
    items = list(read(path, defaults=DEFAULTS, received_at=NOW, now=NOW, progress=seen.append))
    assert len(items) == 20_000
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
    assert len(seen) > 2


def test_a_missing_file_is_a_setting_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"gone\.csv"):
        list(read(tmp_path / "gone.csv", defaults={}, received_at=NOW, now=NOW))


_pieces = st.lists(
    st.sampled_from(
        [b'"', b",", b"\n", b"\r", b"\0", b"{", b"}", b"\xff", b"\xef\xbb\xbf", b"text", HEADER, _line("x")]
    )
    | st.binary(max_size=5)
)


@given(_pieces.map(b"".join), st.sampled_from(["", "a.csv", "a.jsonl"]), st.booleans(), st.integers(0, 40))
def test_any_bytes_are_read_without_an_error(raw: bytes, name: str, packed: bool, cut: int) -> None:
    if packed:
        raw = gzip.compress(raw)
        raw = raw[: max(2, len(raw) - cut)]
    for result in _read(raw, name):
        assert isinstance(result, (Item, DeadLetter))
