"""Polls the kept feeds: those of different hosts side by side, so that a slow one delays no other's news."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from voxpop.errors import VoxpopError
from voxpop.intake import take
from voxpop.log.base import Log
from voxpop.sources import feeds
from voxpop.store import feeds as stored_feeds
from voxpop.store.feeds import Kept
from voxpop.text.mask import mask

if TYPE_CHECKING:
    from voxpop.sources.fetch import Fetcher

logger = logging.getLogger(__name__)

HOSTS_AT_ONCE = 16
SETTLED = timedelta(hours=1)
"""After a start, or when the machine wakes, the network may not be up yet, and what the feeds tell is to be read."""
_MOST_SAID = 300
"""Characters of an error that are kept; what follows may quote a document."""


class Polled(NamedTuple):
    """What one feed answered, or why it brought nothing."""

    kept: Kept
    brought: feeds.Poll | None
    error: str | None


def poll(engine: Engine, log: Log, fetcher: Fetcher, pause: timedelta, now: datetime) -> int:
    """Polls each kept feed whose turn it is and takes in what it brings; returns how many items that is.

    A host is asked for one feed after the other. One that fails is noted and the others go on.

    Raises:
        SQLAlchemyError: the store is away; what was not noted is asked for again.
    """
    began, done = time.monotonic(), 0
    with engine.connect() as connection:
        due = [k for k in stored_feeds.kept(connection) if k.polled_at is None or now - k.polled_at >= pause]
    answers: SimpleQueue[Polled] = SimpleQueue()
    hosts: SimpleQueue[list[Kept]] = SimpleQueue()
    stop = threading.Event()

    def ask() -> None:
        with suppress(Empty):
            while of_host := hosts.get_nowait():
                for kept in of_host:
                    if stop.is_set():
                        return
                    answers.put(_ask(kept, fetcher, now))

    by_host = _by_host(due)
    for of_host in by_host:
        hosts.put(of_host)
    for number in range(min(HOSTS_AT_ONCE, len(by_host))):
        # Not of a pool: those are waited for when the process ends, and a stranger's server may take its time.
        threading.Thread(target=ask, name=f"feed-{number}", daemon=True).start()
    try:
        for _ in due:
            polled = answers.get()
            at = now + timedelta(seconds=time.monotonic() - began)  # others may have taken long
            done += _keep(polled, engine, log, now, at, 2 * pause + SETTLED)
    finally:
        stop.set()
    return done


def _by_host(due: Sequence[Kept]) -> list[list[Kept]]:
    hosts: dict[str, list[Kept]] = {}
    for kept in due:
        hosts.setdefault(feeds.host(str(kept.detail.get("url"))), []).append(kept)
    return list(hosts.values())


def _ask(kept: Kept, fetcher: Fetcher, now: datetime) -> Polled:
    try:
        feed, before = msgspec.convert(kept.detail, feeds.Feed), msgspec.convert(kept.state, feeds.FeedState)
        return Polled(kept, feeds.poll(feed, before, fetcher, received_at=now, now=now), None)
    except Exception as failure:  # noqa: BLE001 - whatever a stranger's server sends, the feeds after it are polled
        return Polled(kept, None, _said(kept, failure))


def _keep(polled: Polled, engine: Engine, log: Log, now: datetime, at: datetime, pause: timedelta) -> int:
    """Takes in what was brought and notes the poll; how many items that is."""
    name, items, state, error = polled.kept.name, 0, None, polled.error
    if (brought := polled.brought) is not None:
        try:
            take([*brought.items, *brought.refused], log, engine)
            items, state = len(brought.items), msgspec.to_builtins(brought.state)
        except SQLAlchemyError:
            raise
        except Exception as failure:  # noqa: BLE001 - a log that is away must not keep other feeds from being noted
            error = _said(polled.kept, failure)
    with engine.begin() as connection:
        stored_feeds.polled(connection, name, now, state, error)
        stored_feeds.note_polling(connection, at, pause)
    return items


def _said(kept: Kept, failure: Exception) -> str:
    """What people are told of a failure; its trace goes to the log where it is none of those that are expected."""
    if isinstance(failure, VoxpopError):
        return str(failure)
    logger.error("the feed %s cannot be polled", kept.name, exc_info=failure)
    return mask(f"{type(failure).__name__}: {failure}")[:_MOST_SAID]
