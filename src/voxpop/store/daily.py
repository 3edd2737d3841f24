"""Stories of each entity by day, as the rule of slides reads them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text


class Day(NamedTuple):
    """An entity's stories of one day, UTC."""

    entity: str
    start: datetime
    read: int
    negative: int


_DAYS = text(
    "SELECT entity_id, date_trunc('day', start, 'UTC') AS day, sum(stories - unread_stories) AS read,"
    " sum(negative_stories) AS negative FROM ("
    "  SELECT DISTINCT ON (entity_id, start) * FROM trend_points WHERE model = :model AND start >= :since"
    "  AND start < :until ORDER BY entity_id, start, revision DESC) t"
    " GROUP BY 1, 2 HAVING sum(stories - unread_stories) > 0 ORDER BY 1, 2"
)


def days(connection: Connection, model: str, since: datetime, until: datetime) -> list[Day]:
    """Days of [since, until), both midnights, on which something was read, by entity and day."""
    rows = connection.execute(_DAYS, {"model": model, "since": since, "until": until})
    return [Day(row.entity_id, row.day, int(row.read), int(row.negative)) for row in rows]
