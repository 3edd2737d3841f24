"""Dead letters that are sent through their stage once more."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, text

from voxpop import readmit
from voxpop.app import App
from voxpop.records import DeadLetter
from voxpop.settings import Settings
from voxpop.store import writer

FIT = {"source": "wire", "channel": "news", "published_at": "2026-03-10T10:00:00Z", "text": "Apple shares fell"}


def letter(n: int, **changes: str) -> DeadLetter:
    payload = json.dumps({**FIT, "id": str(n), **changes}).encode()
    return DeadLetter(stage="ingest", reason="refused", payload=payload, origin="file", position=n)


def test_all_are_tried_however_many_newer_ones_are_refused_again(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readmit, "_BATCH", 2)
    with engine.begin() as connection:
        writer.write_dead_letters(connection, [letter(n) for n in range(3)])
        writer.write_dead_letters(connection, [letter(n, text="") for n in range(3, 10)])
        connection.execute(text("UPDATE dead_letters SET received_at = timestamptz '2026-03-01Z' WHERE position > 4"))
        connection.execute(text("UPDATE dead_letters SET received_at = timestamptz '2026-02-01Z' WHERE position < 3"))
    with App(settings) as app:
        assert readmit.readmit(app, None) == (3, 7)
        assert readmit.readmit(app, None) == (0, 7)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT position FROM dead_letters ORDER BY 1")).scalars().all()
    assert left == [3, 4, 5, 6, 7, 8, 9]
