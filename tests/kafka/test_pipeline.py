"""The same items through Kafka and through PostgreSQL as the log leave the same rows.

The analyst is the real one but for the model: a reader that knows no language, so that documents, mentions and stories
are stored and nothing is read in them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from tests.kafka import broker
from tests.store.samples import rows
from voxpop import sample
from voxpop.app import App
from voxpop.intake import take
from voxpop.runner import waiting
from voxpop.settings import Settings
from voxpop.sources.files import read_items
from voxpop.text import watchlist
from voxpop.worker import drain

ITEMS = 400


class Illiterate:
    """A reader without a language: what a profile is to documents that it cannot read."""

    version = "none@0"
    languages: frozenset[str] = frozenset()
    topic_labels: tuple[str, ...] = ()

    def topics(self, texts: Any) -> list[Any]:
        assert not texts
        return []

    def sentiment(self, targets: Any) -> list[Any]:
        assert not targets
        return []
