"""On which threads routes run.

Python computes on one thread at a time, and threads that would all compute pass the turn to and fro: with the forty
that are the default, 50 readers waited three times as long, and some of them ten times as long as others. So few answer
from the store, in the order of arrival, and what keeps a thread for seconds has others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import anyio.to_thread

if TYPE_CHECKING:
    from fastapi import FastAPI

P = ParamSpec("P")
R = TypeVar("R")

ANSWERING: Final = 6
"""Threads that answer from the store: a few more than cores, since each waits for the database at times."""
_LONG: Final = anyio.CapacityLimiter(40)


@asynccontextmanager
async def few(_: FastAPI) -> AsyncIterator[None]:
    """The lifespan of an application whose routes run on ``ANSWERING`` threads."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = ANSWERING
    yield


def long(route: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """A route that runs a model, or waits for its turn to: on a thread beside those that answer from the store."""

    @wraps(route)
    async def beside(*args: P.args, **kwargs: P.kwargs) -> R:
        return await anyio.to_thread.run_sync(partial(route, *args, **kwargs), limiter=_LONG)

    return beside
