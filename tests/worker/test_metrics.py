"""What the metrics say that no worker sets."""

from __future__ import annotations

import threading

from prometheus_client import REGISTRY

from voxpop import metrics


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_batch_is_counted_with_its_fill_and_padding() -> None:
    names = ("voxpop_model_batches_total", "voxpop_model_seconds_total", "voxpop_batch_fill_sum")
    before = {name: value(name) or 0.0 for name in (*names, "voxpop_padding_share_sum")}
    metrics.observe_batch(75, 100, 400, 0.5)
    after = {name: value(name) or 0.0 for name in before}
    assert [after[name] - before[name] for name in before] == [1, 0.5, 0.25, 0.25]


def test_a_lag_that_is_not_known_is_not_told() -> None:
    """What was known before must not stay there, for it would look like calm."""
    stop, looks = threading.Event(), iter([{("t", 0): 7, ("t", 1): 0}])

    def once() -> dict[tuple[str, int], int]:
        stop.set()
        return next(looks)

    metrics.watch_lag("g", once, stop)
    assert value("voxpop_lag_records", group="g", topic="t", partition="0") == 7
    metrics.watch_lag("g", lambda: next(looks), stop)
    assert value("voxpop_lag_records", group="g", topic="t", partition="0") is None
