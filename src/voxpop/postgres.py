"""What every connection to PostgreSQL must know, whoever opens it: the store and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_IDLE, _INTERVAL, _COUNT = 10, 5, 3

PATIENCE: Final[Mapping[str, int]] = {
    "connect_timeout": 5,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _COUNT,
    "tcp_user_timeout": 1000 * (_IDLE + _INTERVAL * _COUNT),
}
"""When a database that cannot be reached, or that fell silent, counts as away (libpq's names; seconds, but the last in
milliseconds). Keep-alives tell of a silence while an answer is waited for; what was sent and is not acknowledged keeps
them from being sent, and is given up after ``tcp_user_timeout``, which the system would else do after a quarter of an
hour."""
