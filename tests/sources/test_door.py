from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxpop.errors import Refused
from voxpop.records import Item, decode, encode
from voxpop.sources.door import FIELDS, MAX_PAYLOAD, admit, refusal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD: dict[str, object] = {
    "source": "wire",
    "id": "a1",
    "channel": "news",
    "published_at": "2026-03-01T10:00:00+08:00",
    "text": "Acme recalls a pump.",
}


def _admit(**changes: object) -> Item:
    return admit({**GOOD, **changes}, received_at=NOW, now=NOW)


def _refused(**changes: object) -> Refused:
    with pytest.raises(Refused) as caught:
        _admit(**changes)
    return caught.value


def test_a_plain_item_comes_through_in_utc() -> None:
    item = _admit(reach="12", replies=3.0, lang="zh-CN", url="https://example.org/a?b=1", author=77, unknown=[1])
    assert item == Item(
        source="wire",
        id="a1",
        channel="news",
        published_at=datetime(2026, 3, 1, 2, tzinfo=UTC),
        text="Acme recalls a pump.",
        received_at=NOW,
        url="https://example.org/a?b=1",
        author="77",
        reach=12,
        replies=3,
        lang="zh-CN",
    )


@pytest.mark.parametrize(
    ("raw", "utc"),
    [
        ("2026-02-01T00:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-02-01 00:00:00.123456789+00:00", datetime(2026, 2, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("20260201T000000-0530", datetime(2026, 2, 1, 5, 30, tzinfo=UTC)),
        ("2026-02-01 00:00:00 UTC", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-02-01 08:00 +0800", datetime(2026, 2, 1, tzinfo=UTC)),
        ("Sun, 01 Feb 2026 00:00:00 GMT", datetime(2026, 2, 1, tzinfo=UTC)),
        ("Sun, 01 Feb 2026 00:00 EST", datetime(2026, 2, 1, 5, tzinfo=UTC)),
        ("1 Feb 2026 00:00:00 -0000", datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 2, 1, 8, tzinfo=timezone(timedelta(hours=8))), datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_dates_with_a_zone_are_read(raw: object, utc: datetime) -> None:
    assert _admit(published_at=raw).published_at == utc


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("2026-02-01T00:00:00", "has no zone"),
        ("2026-02-01", "has no zone"),
        ("Sun, 01 Feb 2026 00:00:00", "has no zone"),
        (datetime(2026, 2, 1), "has no zone"),  # noqa: DTZ001
        ("2026-03-01T12:10:01Z", "in the future"),
        ("1989-12-31T23:59:59Z", "before 1990"),
        ("0001-01-01T00:00:00+14:00", "outside the calendar"),
        ("yesterday", "not a date"),
        ("2026-02-30T00:00:00Z", "not a date"),
        ("9" * 5000, "not a date"),
        (1767225600, "a layout can read epochs"),
        (None, "missing"),
        ("  ", "missing"),
    ],
)
def test_other_dates_are_refused_with_the_reason(raw: object, reason: str) -> None:
    error = _refused(published_at=raw)
    assert reason in error.reason
    assert error.field == "published_at"


def test_a_clock_may_be_ten_minutes_ahead() -> None:
    assert _admit(published_at="2026-03-01T12:10:00Z")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("text", "", "missing"),
        ("text", " \n\t", "missing"),
        ("text", 7, "a number"),
        ("text", "x" * 5_000_000, "more than 1,000,000"),
        ("text", "a\0b", "NUL"),
        ("text", "a\ud83d", "surrogate"),
        ("title", "a\udc00", "surrogate"),
        ("source", None, "missing"),
        ("source", "s" * 513, "more than 512"),
        ("source", True, "true or false"),
        ("id", "a\nb", "control character"),
        ("id", 1.5, "a number"),
        ("id", 10**400, "a number"),
        ("id", [1], "a list"),
        ("channel", None, "missing"),
        ("channel", "tv", "neither news nor social"),
        ("channel", ["news"], "neither news nor social"),
        ("reach", True, "not a whole number"),
        ("reach", -1, "negative"),
        ("reach", 1.5, "not a whole number"),
        ("reach", math.inf, "not a whole number"),
        ("reach", "many", "not a whole number"),
        ("reach", 10**13, "more than"),
        ("replies", -1, "negative"),
        ("url", "ftp://example.org/x", "http"),
        ("url", "https://", "http"),
        ("url", "http://[::1", "http"),
        ("url", "https://example.org/" + "x" * 2048, "more than 2,048"),
        ("lang", "English language", "language code"),
        ("revised_at", "2026-03-02T00:00:00Z", "in the future"),
    ],
)
def test_a_field_that_breaks_a_rule_is_named(field: str, value: object, reason: str) -> None:
    error = _refused(**{field: value})
    assert reason in error.reason
    assert error.field == field


def test_a_headline_stands_in_for_the_text() -> None:
    item = _admit(text=" ", title=" Acme halts ")
    assert (item.text, item.title) == ("Acme halts", "")


def test_a_missing_id_follows_from_the_url_or_else_from_the_words() -> None:
    by_url = {_admit(id=None, url="https://example.org/1", text=text).id for text in ("a", "b")}
    by_text = {_admit(id="", text=text).id for text in ("a", "b")}
    assert len(by_url) == 1
    assert len(by_text) == 2
    assert _admit(id=None, text="a").id == _admit(id=None, text="a", reach=9).id


def test_numbers_as_ids_keep_their_digits() -> None:
    assert [_admit(id=i).id for i in (418157151946035200, 7.0, "007")] == ["418157151946035200", "7", "007"]


def test_a_revision_is_never_before_the_publication() -> None:
    item = _admit(revised_at="2026-02-28T00:00:00Z")
    assert item.revised_at == item.published_at


def test_a_refusal_can_be_read_again() -> None:
    fields = {**GOOD, "published_at": "2027-01-01T00:00:00Z", "text": "召回"}
    letter = refusal(_refused(**fields), fields, origin="f", position=3)
    assert (letter.stage, letter.origin, letter.position) == ("ingest", "f", 3)
    assert "召回".encode() in letter.payload
    later = datetime(2027, 2, 1, tzinfo=UTC)
    assert admit(msgspec.json.decode(letter.payload), received_at=later, now=later).text == "召回"


def test_a_refusal_keeps_a_bounded_payload_of_anything() -> None:
    anything: list[object] = [{"text": "x" * 200_000}, {"text": "\ud800"}, {"a": object()}, [[[]]]]
    for fields in anything:
        assert 0 < len(refusal(Refused("no"), fields, origin="f").payload) <= MAX_PAYLOAD


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_dates = st.sampled_from(["2026-02-01T00:00:00Z", "Sun, 01 Feb 2026 00:00 EST", "2026-02-01", "1 2 3 4:5", ""])
_fields = st.fixed_dictionaries(
    {"source": st.just("s") | _json, "channel": st.just("news") | _json, "published_at": _dates | _json},
    optional=dict.fromkeys(sorted(FIELDS - {"source", "channel", "published_at"}), _json),
)


@given(_fields | _json)
def test_any_value_is_an_item_or_refused(value: object) -> None:
    try:
        item = admit(value, received_at=NOW, now=NOW)
    except Refused as error:
        assert error.reason
        assert refusal(error, value, origin="f").payload is not None
    else:
        assert decode(Item, encode(item)) == item
        assert item.text
        assert item.published_at.utcoffset() == timedelta(0)


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_refused(raw: str) -> None:
    try:
        assert _admit(published_at=raw).published_at.tzinfo is UTC
    except Refused as error:
        assert error.field == "published_at"
