"""How much of the stream is not handled yet."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Engine

from voxpop.log.base import Log
from voxpop.records import TOPICS
from voxpop.store import positions

_GROUPS = {"prepare-news": TOPICS["news"], "prepare-social": TOPICS["social"], "analyst": TOPICS["document"]}


class Stream(Protocol):
    """What has a stream and its store: the app, or what jobs work on."""

    @property
    def engine(self) -> Engine: ...
    @property
    def log(self) -> Log: ...


def waiting(app: Stream) -> int:
    """Records of the stream that are not yet handled, by the stored positions."""
    with app.engine.connect() as connection:
        heads = {topic: app.log.ends(topic) for topic in _GROUPS.values()}
        ids = app.log.topic_ids(_GROUPS.values())
        left = 0
        for group, topic in _GROUPS.items():
            done = positions.offsets(connection, group, ids)
            left += sum(end - done.get((topic, number), 0) for number, end in heads[topic].items())
    return left
