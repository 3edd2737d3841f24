"""Work for a document as the window fills: documents placed in their stories, in steps, up to 100,000 at once.

    python benchmarks/stories.py [DOCUMENTS]

Every third text retells an earlier one with a light edit; all lie within one window. A flat last column is what
near-constant work looks like. Runs on the embedded PostgreSQL in a folder of its own, which it removes.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, text

from voxpop.store import schema, stories
from voxpop.store.embedded import server
from voxpop.store.locks import commit_order
from voxpop.text.stories import bands, normalise, retells

WINDOW = timedelta(hours=72)
BATCH = 512


def texts(count: int, seed: int = 1) -> list[str]:
    """Sentences of 15 to 40 words of 20,000, drawn by Zipf's law; a third are earlier ones with a word changed."""
    order = random.Random(seed)
    parts = [a + b for a in "bdfgklmnprstvwz" for b in ("a", "el", "i", "or", "un", "ash", "ick", "omp", "est", "y")]
    vocabulary = [one + other for one in parts for other in parts][:20_000]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
    found: list[str] = []
    for _ in range(count):
        if found and order.random() < 1 / 3:
            words = order.choice(found[-5000:]).split()
            words[order.randrange(len(words))] = order.choice(vocabulary)
        else:
            words = order.choices(vocabulary, weights, k=order.randint(15, 40))
        found.append(" ".join(words))
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    start = datetime(2026, 3, 2, tzinfo=UTC)
    order = random.Random(2)
    entries = []
    for number, body in enumerate(texts(count)):
        words = normalise(body)
        at = start + order.random() * WINDOW
        entries.append(stories.Entry(f"{number:032x}", at, words, bands(words)))
    home = Path(tempfile.mkdtemp(prefix="voxpop-bench-"))
    home.chmod(0o755)
    with server.acquire(home) as lease:
        engine = create_engine(lease.url)
        schema.upgrade(engine)
        print(f"{'in the window':>14} {'documents/s':>12} {'µs a document':>14}")
        step = max(BATCH, count // 10)
        for first in range(0, count, step):
            begun = time.perf_counter()
            for at in range(first, min(count, first + step), BATCH):
                with engine.begin() as connection:
                    commit_order(connection)
                    batch = entries[at : min(at + BATCH, first + step)]
                    stories.assign(connection, batch, retells=retells, window=WINDOW)
            took = time.perf_counter() - begun
            done = min(count, first + step)
            print(f"{done:>14,} {(done - first) / took:>12,.0f} {1e6 * took / (done - first):>14,.0f}", flush=True)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT count(DISTINCT story_id) FROM story_members")).scalar_one()
        print(f"{count:,} documents tell {found:,} stories")
        engine.dispose()
    server.stop(home)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
