"""A second model version reads stored documents beside the one that counts, and nobody is told of what it finds.

It reads after the other, from the store and not from the stream, the latest documents first, and whenever something
waits in the stream it stands aside: under load it reads less, never later. What it has not read by then it reads in
calmer hours; promoting it (``promotion``) asks for all of what is looked back over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from voxpop import alarms
from voxpop.app import App
from voxpop.backlog import waiting
from voxpop.errors import SettingError
from voxpop.reading import read
from voxpop.records import Document, Opinion, Reading
from voxpop.store import models as model_versions
from voxpop.store import shadow, writer

if TYPE_CHECKING:
    from voxpop.models import Reader

logger = logging.getLogger(__name__)

AT_ONCE = 32
"""Documents in one round: what the stream may have to wait for."""
_PATIENCE_SECONDS = 10.0
_IDLE_SECONDS, _BUSY_SECONDS, _FAILED_SECONDS = 5.0, 1.0, 60.0


@contextmanager
def beside(app: App) -> Iterator[None]:
    """Reads in the shadow, in a thread, for as long as this lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=follow, args=(app, stop), name="shadow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_PATIENCE_SECONDS)  # a model that is being loaded is not waited for


def follow(app: App, stop: threading.Event) -> None:
    """Reads what the shadow has not read, whenever the stream is read to its end, until ``stop`` is set."""
    pause = _BUSY_SECONDS
    while not stop.wait(pause):
        try:
            if waiting(app):
                pause = _BUSY_SECONDS
                continue
            began, done = time.monotonic(), turn(app)
            # As long as it worked it rests, so that it has half of the machine at most.
            pause = time.monotonic() - began if done else _IDLE_SECONDS
        except Exception:
            logger.exception("the shadow could not read and will try again in %.0f s", _FAILED_SECONDS)
            pause = _FAILED_SECONDS


def turn(app: App, profile: str = "", most: int = AT_ONCE, *, wait: bool = False) -> int:
    """Reads some documents with the shadow profile, or that of the name; returns how many.

    0: nothing is left, or (unless ``wait``) somebody else is at it.

    Raises:
        SettingError: the settings name no shadow profile.
    """
    name = profile or app.beside
    if not name:
        raise SettingError("no profile reads in the shadow: set VOXPOP_SHADOW_PROFILE to the one that is to")
    reader = app.reader_of(name)
    since = looked_back(app)
    with app.engine.begin() as connection:
        model_versions.beside(connection, reader.version, name)
    with app.engine.connect() as guard:
        if since is None or not shadow.only_reader(guard, wait=wait):
            return 0
        documents = shadow.unread(guard, reader.version, since, most)
        if documents:
            readings = _read(app, reader, documents)
            with app.engine.begin() as connection:
                writer.write_beside(connection, readings)
    return len(documents)


def catch_up(app: App, profile: str, most: int = AT_ONCE) -> int:
    """Reads all that the profile has not read, of what is looked back over; returns how many."""
    done = 0
    while count := turn(app, profile, most, wait=True):
        done += count
    return done


def looked_back(app: App) -> datetime | None:
    """From which midnight on documents matter to alarms; None while nobody is named in any."""
    with app.engine.connect() as connection:
        return alarms.looked_back(connection)


def _read(app: App, reader: Reader, documents: Sequence[Document]) -> list[Reading]:
    """What the reader finds; a document that it fails on alone is unread by it, and keeps no other from being read."""
    try:
        return read(documents, reader, app.judge_of(reader))
    except Exception:
        if len(documents) > 1:
            half = len(documents) // 2
            return _read(app, reader, documents[:half]) + _read(app, reader, documents[half:])
        (document,) = documents
        logger.exception("%s cannot read document %s", reader.version, document.id)
        named = dict.fromkeys(mention.entity for mention in document.mentions)
        unread = tuple(Opinion(entity=entity, label=None) for entity in named)
        return [Reading(document=document, model=reader.version, read=False, opinions=unread)]
