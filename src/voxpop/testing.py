"""The faults that tests inject: a process that is killed or stopped at a named point of the stream loop.

``VOXPOP_FAULT=written:kill:3`` kills the process with SIGKILL when it reaches "written" for the third time;
``written:stop`` stops it with SIGSTOP at the first. Where the variable is not set, a point costs one look-up.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

VARIABLE = "VOXPOP_FAULT"


def _armed(plan: str) -> dict[str, Callable[[], None]]:
    """The points of a plan ``NAME:kill|stop[:N]``, each with what happens there."""
    if not plan:
        return {}
    name, action, *rest = plan.split(":")
    number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action]
    at = int(rest[0]) if rest else 1
    visits = itertools.count(1)

    def visit() -> None:
        if next(visits) == at:
            os.kill(os.getpid(), number)

    return {name: visit}


_points = _armed(os.environ.get(VARIABLE, ""))


def arm(plan: str) -> None:
    """Has this process follow another plan from now on; an empty one is none."""
    global _points
    _points = _armed(plan)


def reach(name: str) -> None:
    """Tells that the process has come to the point ``name``, where a test may have planned a fault."""
    if (fault := _points.get(name)) is not None:
        fault()
