"""From an item to a document: cleaned, masked, linked; and from records that are no items to dead letters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from voxpop import stages
from voxpop.log.base import Partition, Record
from voxpop.records import Document, Entity, Item, Name, decode, encode
from voxpop.text.entities import Linker

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
LINKER = Linker(
    [
        Entity(id="bolt", name="Boltworks Holdings", aliases=(Name(text="博特工业"),), tickers=("BLTW",)),
        Entity(id="acme", name="Acmetron"),
    ]
)


def item(**changes: Any) -> Item:
    fields: dict[str, Any] = {
        "source": "wire",
        "id": "1",
        "channel": "news",
        "published_at": AT,
        "received_at": AT,
        "text": "Boltworks Holdings recalled pumps. Call 138 1234 5678 or mail press@boltworks.example.",
        "title": "Boltworks Holdings &amp; its pumps",
    }
    return Item(**{**fields, **changes})


def record(value: bytes, offset: int = 7) -> Record:
    return Record(Partition("items.news", "id", 0), offset, b"k", value)


def prepared(of: Item) -> Document:
    messages, dead = stages.prepare([record(encode(of))], LINKER)
    assert not dead
    return decode(Document, messages[0].value)


def test_a_document_is_clean_masked_linked_and_signed() -> None:
    document = prepared(item())
    assert document.text[: document.title_end] == "Boltworks Holdings & its pumps"
    assert "138" not in document.text
    assert "press@" not in document.text
    assert {document.text[m.start : m.end] for m in document.mentions} == {"Boltworks Holdings"}
    assert document.lang == "en"
    assert document.bands
    assert document.linked_with == LINKER.version
    assert document.sequence == 7


def test_a_chinese_document_is_linked_by_its_chinese_name() -> None:
    document = prepared(item(title="", text="博特工业今日公告，将召回两款水泵。"))
    assert document.lang == "zh"
    assert [m.entity for m in document.mentions] == ["bolt"]


def test_the_same_words_are_the_same_revision_and_other_words_another() -> None:
    assert prepared(item()).revision == prepared(item(reach=900)).revision
    assert prepared(item()).id == prepared(item(text="other")).id
    assert prepared(item()).revision != prepared(item(text="other")).revision


def test_documents_are_keyed_by_their_first_entity() -> None:
    assert stages.document_message(prepared(item())).key == b"bolt"


def test_the_author_is_masked_and_the_link_is_rid_of_its_trackers() -> None:
    document = prepared(item(author="jane@corp.example", url="https://x.example/a?utm_source=y&id=3"))
    assert document.author == "[EMAIL]"
    assert document.url == "https://x.example/a?id=3"


def test_what_is_no_item_is_a_dead_letter_with_its_place_and_the_rest_goes_on() -> None:
    broken = [
        b"",
        b"{",
        b"[]",
        b'{"record":"item/2"}',
        b'{"record":"item/1"}',
        b"\xff",
        encode(item(text="<p></p>", title="")),
    ]
    records = [record(value, offset) for offset, value in enumerate([*broken, encode(item())])]
    messages, dead = stages.prepare(records, LINKER)
    assert len(messages) == 1
    assert [letter.position for letter in dead] == list(range(len(broken)))
    assert all(letter.reason and letter.origin == "items.news/0" for letter in dead)
    assert dead[3].payload == broken[3]
