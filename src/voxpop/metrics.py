"""What a process tells Prometheus: the metric objects, a port to scrape, and the lag, looked up now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, start_http_server

logger = logging.getLogger(__name__)

_LAG_SECONDS = 5.0
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

lag = Gauge(
    "voxpop_lag_records",
    "Records of a partition that its group has not stored yet; absent while that is not known.",
    ["group", "topic", "partition"],
)
records = Counter("voxpop_records", "Records that a step has stored, dead letters included.", ["step"])
dead_letters = Counter("voxpop_dead_letters", "Records that a step could not handle.", ["step"])
queue_records = Gauge("voxpop_queue_records", "Records that are polled and not stored yet.", ["step"])
queue_bytes = Gauge("voxpop_queue_bytes", "Bytes of the records that are polled and not stored yet.", ["step"])
step_seconds = Histogram("voxpop_step_seconds", "Time that a step took for a batch.", ["step"], buckets=_SECONDS)
store_seconds = Histogram(
    "voxpop_store_seconds", "Time that it took to store a batch and move its offsets.", ["step"], buckets=_SECONDS
)
partitions = Gauge("voxpop_partitions", "Partitions that this member owns.", ["step"])
partitions_paused = Gauge("voxpop_partitions_paused", "Partitions of which nothing is polled at present.", ["step"])
rebalances = Counter("voxpop_rebalances", "Times that this member gained or lost partitions.", ["step"])
unavailable = Counter("voxpop_unavailable", "Times that a service that a step needs began to be away.", ["step"])
model_seconds = Counter("voxpop_model_seconds", "Time that the model spent on batches.")
model_batches = Counter("voxpop_model_batches", "Batches that the model ran.")
batch_fill = Histogram("voxpop_batch_fill", "Padded tokens of a batch over its budget.", buckets=_SHARES)
padding_share = Histogram("voxpop_padding_share", "Share of a batch's tokens that is padding.", buckets=_SHARES)


def observe_batch(tokens: int, padded: int, budget: int, seconds: float) -> None:
    """Counts a batch that the model ran: ``tokens`` of text, padded to ``padded`` of at most ``budget``."""
    model_batches.inc()
    model_seconds.inc(seconds)
    batch_fill.observe(padded / budget)
    padding_share.observe(1 - tokens / padded)


@contextmanager
def served(port: int, host: str) -> Iterator[int]:
    """Serves the metrics on ``host``; yields the port, which is any free one where ``port`` is 0."""
    server, thread = start_http_server(port, host)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch_lag(group: str, look: Callable[[], Mapping[tuple[str, int], int]], stop: threading.Event) -> None:
    """Keeps the lag up to date by ``look`` until ``stop`` is set. Where it cannot look, no lag is told: what is not
    known is not calm."""
    while True:
        try:
            found = look()
        except Exception as error:  # noqa: BLE001 - whatever is away, the work itself waits for it
            logger.info("the lag of %s is not known: %s", group, error)
            found = {}
        _tell_lag(group, found)
        if stop.wait(_LAG_SECONDS):
            return


def _tell_lag(group: str, found: Mapping[tuple[str, int], int]) -> None:
    lag.remove_by_labels({"group": group})
    for (topic, partition), waiting in found.items():
        lag.labels(group, topic, str(partition)).set(waiting)
