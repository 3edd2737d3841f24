"""The shipped schemas are what the code says, and they take what the code writes and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.store.samples import document
from voxpop import schemas
from voxpop.errors import SettingError
from voxpop.records import TOPICS, Item, encode

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
ITEM = Item(source="wire", id="1", channel="news", published_at=AT, received_at=AT, text="Apple shares fell")
WRITTEN = {
    TOPICS["news"]: encode(ITEM),
    TOPICS["social"]: encode(ITEM),
    TOPICS["document"]: encode(document("a", 1, "Apple shares fell")),
}


def test_there_is_a_file_for_each_topic_and_none_beside() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(TOPICS.values())


@pytest.mark.parametrize("topic", TOPICS.values())
def test_the_shipped_schema_is_what_the_code_says(topic: str) -> None:
    shipped = json.loads((FOLDER / f"{topic}.json").read_text("utf-8"))
    assert shipped == json.loads(json.dumps(schemas.of(topic))), (
        f"make it anew: voxpop schema {topic} > docs/schemas/{topic}.json"
    )


@pytest.mark.parametrize("topic", TOPICS.values())
def test_a_schema_takes_what_is_written_and_refuses_what_no_reader_would_take(topic: str) -> None:
    schema, written = schemas.of(topic), json.loads(WRITTEN[topic])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(written, schema)
    wrong: list[dict[str, Any]] = [
        {**written, "record": "item/2"},
        {**written, "channel": "rumour"},
        {**written, "reach": "many"},
        {name: value for name, value in written.items() if name != "text"},
    ]
    for record in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(record, schema)


def test_a_topic_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(SettingError, match=TOPICS["document"]):
        schemas.of("items.rumours")
