"""From settings to live objects. This module alone chooses backends.

``App`` opens what is asked for when it is first asked for, so that a command pays only for what it uses: ``engine``
starts the embedded PostgreSQL, ``reader()`` loads the model (and torch).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from voxpop.errors import Superseded
from voxpop.log.base import Log, Record, open_log
from voxpop.records import TOPICS, Entity, Reading
from voxpop.settings import Settings
from voxpop.store import facts, schema, watchlist, writer
from voxpop.store import models as model_versions
from voxpop.store.embedded import server
from voxpop.store.engine import open_engine, require_answer, with_driver
from voxpop.store.locks import commit_order

if TYPE_CHECKING:
    from voxpop.jobs import Surroundings
    from voxpop.models import Reader
    from voxpop.risks import Judge
    from voxpop.sources.fetch import Fetcher
    from voxpop.text.entities import Linker
    from voxpop.worker import Step, Worker

_WATCHLIST_SECONDS = 2.0


class App:
    """The live objects of one process. Use as a context manager, or ``close()``."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.load()
        self._lease: server.Lease | None = None
        self._readers: dict[str, Reader] = {}
        self._judges: dict[str, Judge | None] = {}
        self._in_force = self.settings.profile
        self._linker: Linker | None = None
        self._linker_checked = float("-inf")
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def database_url(self) -> str:
        """The store's URL; the embedded PostgreSQL is started for it where the settings name none."""
        url = self.settings.database_url
        if not url or server.serves(self.settings.home, url):
            self._lease = server.acquire(self.settings.home)
            return with_driver(url) if url else self._lease.url
        return with_driver(url)

    @cached_property
    def engine(self) -> Engine:
        """The store, at the schema of this version.

        Raises:
            SettingError: the URL of the database is none of PostgreSQL's.
            StoreUnavailable: the database does not answer.
        """
        engine = open_engine(self.database_url)
        require_answer(engine)
        schema.upgrade(engine)
        return engine

    @cached_property
    def log(self) -> Log:
        """The log, with its topics."""
        _ = self.engine  # the log's tables are part of the schema
        log = open_log(self.settings.log_url or self.database_url)
        for topic in TOPICS.values():
            log.create(topic, self.settings.partitions)
        return log

    @cached_property
    def fetcher(self) -> Fetcher:
        """How feeds and articles are fetched."""
        from voxpop.sources.fetch import Fetcher  # httpx, which few processes need

        s = self.settings
        return Fetcher(
            timeout=s.feed_timeout_seconds, max_bytes=s.feed_max_bytes, allow_private=s.feed_private_addresses
        )

    def reader(self) -> Reader:
        """The model profile in force, loaded once: that of the settings, until the shadow is promoted."""
        return self.reader_of(self._in_force)

    def reader_of(self, profile: str) -> Reader:
        """The profile of that name, loaded once."""
        with self._loading:
            if profile not in self._readers:
                from voxpop import models

                self._readers[profile] = models.load(
                    profile,
                    threads=self.settings.threads,
                    batch_tokens=self.settings.batch_tokens,
                    device=self.settings.device,
                    home=self.settings.home,
                )
            return self._readers[profile]

    @property
    def beside(self) -> str:
        """The profile that reads in the shadow of the one in force; empty: none does."""
        s = self.settings
        both = {s.profile, s.shadow_profile} if s.shadow_profile else {s.profile}
        return next(iter(both - {self._in_force}), "")

    def begin_reading(self) -> Reader:
        """The reader of the version that counts from now on, which is that of the settings unless the other profile
        that they name was promoted."""
        from voxpop.alarms import history

        self.follow()
        reader = self.reader()
        with self.engine.begin() as connection:
            history.begin(connection, reader.version, self._in_force)
        return reader

    def follow(self) -> None:
        """Reads with the other profile of the settings where a version of that was made to count."""
        with self.engine.connect() as connection:
            counts = next(iter(model_versions.versions(connection)), None)
        if counts is not None and counts.active and counts.profile == self.beside:
            self._in_force = counts.profile

    def judge(self) -> Judge | None:
        """What judges documents by the table of risk events; None where the profile has no inference."""
        return self.judge_of(self.reader())

    def judge_of(self, reader: Reader) -> Judge | None:
        """The judge that asks this reader."""
        with self._loading:
            if reader.version not in self._judges:
                from voxpop.knowledge import events
                from voxpop.risks import Judge

                path = self.settings.events
                able = "nli" in reader.tasks
                self._judges[reader.version] = (
                    Judge(events.load(Path(path) if path else None), reader) if able else None
                )
            return self._judges[reader.version]

    def watch(self, entities: Sequence[Entity]) -> watchlist.Change:
        """Makes ``entities`` the watchlist; stored documents are linked anew by the next ``relink``."""
        from voxpop.text.entities import Linker

        with self.engine.begin() as connection:
            change = watchlist.replace(connection, entities)
            facts.put(connection, "watchlist", Linker(entities).version)
        return change

    def ensure_watchlist(self) -> None:
        """Watches the shipped companies where nobody has said whom to watch."""
        with self.engine.connect() as connection:
            if facts.get(connection, "watchlist") is not None:
                return
        from voxpop.text import watchlist as lists

        self.watch(lists.shipped())

    def linker(self) -> Linker:
        """The linker of the watchlist in force; a change is seen within two seconds."""
        from voxpop.text.entities import Linker

        with self._lock:
            if self._linker is None or time.monotonic() - self._linker_checked > _WATCHLIST_SECONDS:
                with self.engine.connect() as connection:
                    if self._linker is None or facts.get(connection, "watchlist") != self._linker.version:
                        self._linker = Linker(watchlist.load(connection))
                self._linker_checked = time.monotonic()
            return self._linker

    def surroundings(self, model: str) -> Surroundings:
        """What the jobs work on."""
        from voxpop.jobs import Surroundings

        return Surroundings(
            settings=self.settings,
            engine=self.engine,
            log=self.log,
            model=model,
            linker=self.linker,
            fetcher=lambda: self.fetcher,
        )

    def prepare_step(self, channel: str) -> Step:
        """The news or social consumer: items in, documents out."""
        from voxpop import stages
        from voxpop.worker import Result, Step

        def run(records: Sequence[Record]) -> Result:
            prepared = stages.prepare(records, self.linker())
            return Result(prepared.messages, lambda _: None, prepared.dead)

        return Step(group=f"prepare-{channel}", topics=(TOPICS[channel],), run=run, output=TOPICS["document"])

    def analyse_step(self) -> Step:
        """The analyst: documents in, opinions into the store."""
        from voxpop import stages
        from voxpop.worker import Result, Step

        def run(records: Sequence[Record]) -> Result:
            reader = self.reader()
            analysed = stages.analyse(records, reader, self.judge())

            def write(connection: Connection) -> None:
                self._require_counting(connection, reader.version)
                self.store(connection, analysed.readings)

            return Result([], write, analysed.dead)

        return Step(group="analyst", topics=(TOPICS["document"],), run=run)

    def _require_counting(self, connection: Connection, version: str) -> None:
        """Checks that what was read by ``version`` may be stored: that no other was promoted since.

        Raises:
            Superseded: another was, and it is the other profile's; the next read is by that one.
        """
        if not self.settings.shadow_profile:
            return
        commit_order(connection)  # nobody can be promoted between this and the commit
        counts = next((one for one in model_versions.versions(connection) if one.active), None)
        if counts is None or counts.model == version or counts.profile != self.beside:
            return
        self._in_force = counts.profile
        raise Superseded(f"{counts.model} counts now, and this was read by {version}")

    def store(self, connection: Connection, readings: Sequence[Reading]) -> None:
        """Stores readings, joined to stories as the settings say."""
        from voxpop.text import stories

        window = timedelta(hours=self.settings.story_window_hours)
        writer.write_readings(connection, readings, retells=stories.retells, story_window=window)

    def worker(self, step: Step) -> Worker:
        """A member of the step's consumer group."""
        from voxpop.worker import Worker

        s = self.settings
        return Worker(
            step,
            self.log,
            self.engine,
            max_records=s.poll_records,
            queue_bytes=s.queue_bytes,
            drain_seconds=s.drain_seconds,
        )

    def close(self) -> None:
        """Lets go of everything that was opened."""
        opened = self.__dict__
        if "log" in opened:
            self.log.close()
        if "engine" in opened:
            self.engine.dispose()
        if self._lease is not None:
            self._lease.release()
            self._lease = None
