"""What turns stored stories into alerts, judged in the stream's own time.

All follows from what is stored, at the minute of each story or figure of reach, so that a second look, a restart or a
replay gives the same alerts at the same minutes. A look judges what has changed since the last one: an episode in which
nothing is new stays as it was judged, so that no alert is raised by what has only become less well known, at the far
end of what is looked back over. What is older than ``BACK`` is not judged any more.

``history`` says what of the stream a version is judged on, ``past`` lays that out, ``judging`` holds what surges,
disputes and spreading say of it, ``cuts`` sets from which score on that is an alert, and ``raising`` stores it;
``rules`` and ``drifts`` raise what needs no such cut. ``notice`` tells operators of a version that learns.
"""

from __future__ import annotations

from voxpop.alarms.cuts import SHARES, WARM_UP, Calibration, calibrate, calibrations, spend, uncut
from voxpop.alarms.history import BACK, looked_back
from voxpop.alarms.judging import Judged, judge
from voxpop.alarms.past import Memory
from voxpop.alarms.raising import QUIET, look_on_from, raise_alerts, raise_within

__all__ = [
    "BACK",
    "QUIET",
    "SHARES",
    "WARM_UP",
    "Calibration",
    "Judged",
    "Memory",
    "calibrate",
    "calibrations",
    "judge",
    "look_on_from",
    "looked_back",
    "raise_alerts",
    "raise_within",
    "spend",
    "uncut",
]
