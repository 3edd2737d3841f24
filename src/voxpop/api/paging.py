"""What lists of the API have in common: parameters, pages, and a refusal of parameters that are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Connection

from voxpop.api import conditional, cursors
from voxpop.api.cursors import Place
from voxpop.api.shapes import Moment, Word
from voxpop.errors import Refused
from voxpop.store.locks import settled

ALWAYS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))

Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of a page.")]
Cursor = Annotated[str | None, Query(max_length=4096, description="`next` of the page before.")]
AsOf = Annotated[
    Moment | None,
    Query(
        description="Only what was known then; default, and the latest: now, or when the oldest write under way began.",
        examples=["2026-03-15T09:30:00Z"],
    ),
]
Entities = Annotated[list[Word] | None, Query(max_length=100, description="Ids; repeat it for several. Default: all.")]
One = Annotated[Word, Query(description="Id of an entity.", examples=["acme"])]
Start = Annotated[Moment | None, Query(description="From then on.", examples=["2026-03-01T00:00:00Z"])]
End = Annotated[Moment | None, Query(description="Before then.", examples=["2026-04-01T00:00:00Z"])]
AlertId = Annotated[Word, Path(description="Id of an alert.", examples=["5b1f0c9a7d3e42f65b1f0c9a7d3e42f6"])]


class Paged:
    """One page of one question.

    Attributes:
        as_of: what the cursor says, else what is asked for, else now; with a store no later than it is settled.
        after: the key of the last row of the page before; None: this is the first.
    """

    def __init__(
        self,
        of: str,
        filters: dict[str, Any],
        as_of: datetime | None,
        cursor: str | None,
        kind: Any,
        store: Connection | None = None,
    ) -> None:
        """A page; ``store`` is given where rows become available in commit order, and not as people write them."""
        self._question = cursors.question(of, {**filters, "as_of": as_of})
        self.after = None
        if cursor is not None:
            self.as_of, self.after = cursors.read(cursor, self._question, kind)
        elif store is not None:
            self.as_of = settled(store, as_of)
        else:
            self.as_of = as_of or datetime.now(UTC)

    def answer(
        self, request: Request, rows: Sequence[dict[str, Any]], limit: int, key: Callable[[dict[str, Any]], Any]
    ) -> Response:
        """The page of ``rows``, of which there is one more than ``limit`` where another page follows."""
        more = len(rows) > limit
        after = cursors.write(Place(self._question, self.as_of, key(rows[limit - 1]))) if more else None
        items = msgspec.Raw(conditional.encode(rows[:limit]))  # once, for the tag and for the body
        body = {"items": items, "next": after, "as_of": self.as_of}
        answer = conditional.answer(request, body, (items, more))
        if after is not None:
            answer.headers["link"] = f'<{request.url.include_query_params(cursor=after)}>; rel="next"'
        return answer


async def _of_this(request: Request) -> None:
    """Refuses a parameter that is none: one that is misspelt would silently ask for something else."""
    route: APIRoute = request.scope["route"]
    names = {parameter.alias for parameter in route.dependant.query_params}
    if unknown := sorted(request.query_params.keys() - names):
        raise Refused(f"{unknown[0]!r} is no parameter of this; {', '.join(sorted(names)) or 'none'} are", unknown[0])


known: Any = Depends(_of_this)
"""A dependency that refuses a parameter that the route does not have."""
