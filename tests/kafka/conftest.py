"""kafka-python leaves the socket of a connection that failed to the garbage collector, which then warns."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Generator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fails_to_connect: connections are refused; their sockets are not closed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Collects what a failed connection left before another test is blamed for it."""
    if item.get_closest_marker("fails_to_connect") is None:
        return (yield)
    item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
    done = yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return done
