"""What the first page shows: the last day against the days before, and adverse stories by the hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.store import alerts

WEEK = timedelta(days=7)
"""Until so much of the stream is known, nobody can say what is usual."""
_DAY = timedelta(days=1)


def watermark(connection: Connection) -> datetime | None:
    """The latest publication that is stored; None without any."""
    at: datetime | None = connection.execute(text("SELECT max(published_at) FROM documents")).scalar_one()
    return at


def known_for(connection: Connection, at: datetime) -> timedelta:
    """How much of the stream is known at ``at``: since the first publication that names an entity."""
    span = alerts.span(connection)
    return at - span[0] if span else timedelta(0)


class Mover(NamedTuple):
    """An entity's last day, and what a day of the week before was like; None until a week is known."""

    entity: str
    name: str
    sector: str | None
    own: bool
    stories: int
    negative: int
    unread: int
    sentiment: float | None
    usual_stories: float | None
    usual_adverse: float | None
    usual_sentiment: float | None

    @property
    def adverse(self) -> int:
        """Stories that were read as negative, or not read at all."""
        return self.negative + self.unread

    @property
    def turn(self) -> float:
        """How much more was adverse than usual, against the spread of such counts; 0 where that is not known."""
        if self.usual_adverse is None:
            return 0.0
        return float((self.adverse - self.usual_adverse) / (self.usual_adverse + 1) ** 0.5)


_POINTS = (
    "SELECT entity_id, start, stories, negative_stories AS negative, unread_stories AS unread, sentiment"
    " FROM trend_points p WHERE model = :model"
    " AND start > CAST(:at AS timestamptz) - make_interval(hours => :hours) AND start <= :at"
    " AND NOT EXISTS (SELECT FROM trend_points n WHERE n.entity_id = p.entity_id AND n.start = p.start"
    "  AND n.model = p.model AND n.revision > p.revision"
    "  AND n.start > CAST(:at AS timestamptz) - make_interval(hours => :hours) AND n.start <= :at)"
)
"""The last revision of each point; a set of hours is joined with itself, which is quicker than to sort it by name."""

_MOVERS = text(
    "SELECT e.entity_id, e.name, e.detail->>'sector', coalesce(CAST(e.detail->>'own' AS boolean), false),"  # noqa: S608
    " coalesce(sum(t.stories) FILTER (WHERE day), 0), coalesce(sum(t.negative) FILTER (WHERE day), 0),"
    " coalesce(sum(t.unread) FILTER (WHERE day), 0),"
    " sum(t.sentiment * (t.stories - t.unread)) FILTER (WHERE day AND t.sentiment IS NOT NULL)"
    "  / nullif(sum(t.stories - t.unread) FILTER (WHERE day AND t.sentiment IS NOT NULL), 0),"
    " coalesce(sum(t.stories) FILTER (WHERE NOT day), 0),"
    " coalesce(sum(t.negative + t.unread) FILTER (WHERE NOT day), 0),"
    " sum(t.sentiment * (t.stories - t.unread)) FILTER (WHERE NOT day AND t.sentiment IS NOT NULL)"
    "  / nullif(sum(t.stories - t.unread) FILTER (WHERE NOT day AND t.sentiment IS NOT NULL), 0)"
    " FROM entities e LEFT JOIN (SELECT *, start > CAST(:at AS timestamptz) - interval '24 hours' AS day"
    f"  FROM ({_POINTS}) p) t ON t.entity_id = e.entity_id"
    " WHERE e.active GROUP BY e.entity_id, e.name, e.detail ORDER BY e.name, e.entity_id"
)


def movers(connection: Connection, model: str, at: datetime) -> list[Mover]:
    """Every watched entity's day before ``at``, by name."""
    known = known_for(connection, at)
    days = min(7.0, known / _DAY - 1) if known >= WEEK else None
    rows = connection.execute(_MOVERS, {"model": model, "at": at, "hours": 8 * 24})
    return [
        Mover(
            *(row[0], row[1], row[2], row[3]),
            *(int(row[4]), int(row[5]), int(row[6])),
            *(row[7], *(int(row[n]) / days if days else None for n in (8, 9)), row[10] if days else None),
        )
        for row in rows
    ]


class Totals(NamedTuple):
    """All entities together: a day, and a usual one of the week before; None until a week is known."""

    stories: int
    adverse: int
    unread: int
    usual_stories: float | None
    usual_adverse: float | None


def totals(found: Sequence[Mover]) -> Totals:
    """The sums of what ``movers`` found; a story about two entities counts for both."""
    return Totals(
        sum(m.stories for m in found),
        sum(m.adverse for m in found),
        sum(m.unread for m in found),
        _sum(m.usual_stories for m in found),
        _sum(m.usual_adverse for m in found),
    )


def _sum(found: Iterable[float | None]) -> float | None:
    known = list(found)
    return None if None in known else sum(number for number in known if number is not None)


_HEAT = text(
    "SELECT t.entity_id, e.name, date_bin(make_interval(hours => :width), start, 'epoch') AS bin,"  # noqa: S608
    f" sum(negative), sum(unread), sum(stories) FROM ({_POINTS}) t JOIN entities e ON e.entity_id = t.entity_id"
    " WHERE e.active GROUP BY 1, 2, 3 HAVING sum(negative + unread) > 0 ORDER BY 1, 3"
)


def heat(
    connection: Connection, model: str, at: datetime, hours: int, width: int
) -> list[tuple[str, str, datetime, int, int, int]]:
    """(entity, name, start of the bin, negative, unread, all stories) of the last ``hours``, in bins of ``width``
    hours that had any adverse story."""
    rows = connection.execute(_HEAT, {"model": model, "at": at, "hours": hours, "width": width})
    return [(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5])) for row in rows]


def published(connection: Connection, at: datetime, hours: int = 48) -> list[tuple[datetime, int]]:
    """(hour, documents published in it) of the last ``hours`` before ``at``."""
    rows = connection.execute(
        text(
            "SELECT date_trunc('hour', published_at, 'UTC'), count(*) FROM documents WHERE latest"
            " AND published_at > CAST(:at AS timestamptz) - make_interval(hours => :hours) GROUP BY 1 ORDER BY 1"
        ),
        {"at": at, "hours": hours},
    )
    return [(row[0], row[1]) for row in rows]


_HEARD = text(
    "SELECT source, count(*), min(published_at), max(published_at) FROM documents"
    " WHERE published_at > CAST(:at AS timestamptz) - interval '14 days' AND latest"
    " GROUP BY source, date_trunc('hour', published_at, 'UTC') ORDER BY source, 3"
)


class Source(NamedTuple):
    """A source in the last fortnight: documents of the last day, of a usual one (None until a week is known), when it
    was last heard, and times at which it was, of each hour the first and the last."""

    name: str
    day: int
    usual: float | None
    last: datetime
    times: list[datetime]


def sources(connection: Connection, at: datetime) -> list[Source]:
    """The sources heard in the fortnight before ``at``, by name."""
    hours: dict[str, list[tuple[int, datetime, datetime]]] = {}
    for source, count, first, last in connection.execute(_HEARD, {"at": at}):
        hours.setdefault(source, []).append((count, first, last))
    known = known_for(connection, at)
    days = min(14.0, known / _DAY) if known >= WEEK else None
    found = []
    for source, of in sorted(hours.items()):
        day = sum(count for count, _, last in of if last > at - timedelta(days=1))
        times = [time for _, first, last in of for time in ((first,) if first == last else (first, last))]
        usual = sum(count for count, _, _ in of) / days if days else None
        found.append(Source(source, day, usual, times[-1], times))
    return found
