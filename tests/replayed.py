"""A stream of eighteen days for replays, with a reader that knows its few words, and replays of it in process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from sqlalchemy.engine import make_url

from tests.conftest import new_database
from tests.scripted import Script, reader_of
from voxpop.app import App
from voxpop.records import Entity, Item, Name
from voxpop.replay import DATABASE, replay
from voxpop.settings import Settings
from voxpop.sources.door import admit
from voxpop.sources.spool import Spool

START = datetime(2026, 3, 2, tzinfo=UTC)
WATCHED = (
    Entity(id="acme", name="Acmetron"),
    Entity(id="bolt", name="Boltworks Holdings"),
    Entity(id="calm", name="Calmont Group"),
    Entity(id="meta", name="Vireo Platforms", aliases=(Name(text="Lookbook", valid_to=START + timedelta(days=5)),)),
)
_WORDS = ("orders", "plants", "prices", "staff", "exports", "pumps", "loans", "trucks", "chips", "ships", "wages")


class Words(dict[str, float]):
    """How sure a text is to be neutral: it is, unless it says something bad."""

    def __bool__(self) -> bool:
        return True

    def get(self, key: str, default: float = 0.0) -> float:  # type: ignore[override]
        return 0.0 if "bad" in key or "default" in key else 1.0


def entailed(premise: str, hypothesis: str) -> tuple[float, float, float]:
    """What defaulted has done all that it is asked about."""
    return (0.97, 0.03, 0.0) if "defaulted" in premise else (0.0, 1.0, 0.0)


class CheapApp(App):
    """An app whose reader is scripted."""

    def __init__(self, settings: Settings, script: Script | None = None) -> None:
        super().__init__(settings)
        self._readers[settings.profile] = reader_of(script or cheap())


def cheap(kind: type[Script] = Script) -> Script:
    """A script of the stream's few words."""
    return kind(entailed=entailed, neutral=Words())


def item(number: int, hours: float, text: str, **fields: Any) -> dict[str, Any]:
    at = START + timedelta(hours=hours)
    plain = {"source": "wire", "channel": "news", "id": str(number), "published_at": at.isoformat(), "text": text}
    return {**plain, **fields}


def stream() -> list[dict[str, Any]]:
    """Calm news of three companies with something bad now and then; then a surge of which one story is corrected, a
    post that spreads, a default, and an item that comes two days late.
    """
    found = []
    for n, hours in enumerate(range(1, 18 * 24, 2)):
        name = ("Acmetron", "Boltworks Holdings", "Calmont Group")[n % 3]
        mood = "bad" if n % 13 == 0 else "plain"
        words = f"{_WORDS[n % 11]} {_WORDS[n % 7]} {n * n}"
        found.append(item(n, hours + n % 5 / 10, f"{name} told {mood} news of {words} on its {n}th day"))
    for n in range(12):
        subject = _WORDS[n % 11]
        found.append(
            item(1000 + n, 250.2 + n / 4, f"Acmetron has bad {subject} {n * 7} and worse {_WORDS[-n]} {n * 3}")
        )
    at = START + timedelta(hours=253.4)
    found.append(
        item(1003, 250.95, "Acmetron has good ships 21 after all", revised_at=at.isoformat())  # a correction
    )
    found += [
        item(2000, 300, "Boltworks Holdings may be in a bad way, will it pay", source="chirper", channel="social")
        | {"author": "worried", "reach": reach, "revised_at": (START + timedelta(hours=300, minutes=m)).isoformat()}
        for m, reach in ((0, 1), (10, 16_000), (25, 40_000), (70, 90_000))
    ]
    found.append(item(3000, 330.5, "Calmont Group has defaulted on its bonds"))
    late = START + timedelta(hours=360)
    found.append(item(3001, 310.5, "Calmont Group told bad news of trucks", revised_at=late.isoformat()))
    return found


def admitted(items: Iterable[dict[str, Any]]) -> list[Item]:
    now = START + timedelta(days=100)
    return [admit(fields, received_at=now, now=now) for fields in items]


def replayed(
    server_url: str,
    home: Path,
    items: Sequence[dict[str, Any]],
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    script: Script | None = None,
    **settings: Any,
) -> list[bytes]:
    """The lines that a replay of the items writes, in a database of its own, treated as that of the command is."""
    with new_database(server_url) as url, Spool() as spool:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            for option, value in DATABASE.items():
                connection.execute(f"ALTER DATABASE \"{make_url(url).database}\" SET {option} = '{value}'")
        for one in admitted(items):
            spool.add(one)
        known = spool.span()
        assert known is not None
        plain: dict[str, Any] = {"database_url": url, "home": home, "alert_budget_per_day": 5.0, "results_bytes": 0}
        with CheapApp(Settings(**plain | settings), script) as app:
            app.watch(WATCHED)
            span = start or known[0], end or known[1] + timedelta(microseconds=1)
            return [msgspec.json.encode(alert) for alert in replay(app, spool, *span)]
