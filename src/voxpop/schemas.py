"""What each topic of the log holds, as JSON Schema: for programs that publish or read beside Voxpop.

``docs/schemas`` holds these schemas as files; a test keeps them equal to the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from voxpop.errors import SettingError
from voxpop.records import TOPICS, Document, Item

RECORDS: Mapping[str, type[msgspec.Struct]] = {
    TOPICS["news"]: Item,
    TOPICS["social"]: Item,
    TOPICS["document"]: Document,
}
"""The record in each topic's messages."""
_KEYS = {
    Item: "The message's key is the source, a zero byte and the item's id.",
    Document: "The message's key is the id of the first entity mentioned, or the document's own where none is.",
}


def of(topic: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a message's value in ``topic``.

    Raises:
        SettingError: there is no such topic.
    """
    if topic not in RECORDS:
        raise SettingError(f"no topic is called {topic!r}: {', '.join(RECORDS)} are")
    record = RECORDS[topic]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Voxpop topic {topic}",
        "$comment": _KEYS[record],
        **msgspec.json.schema(record),
    }
