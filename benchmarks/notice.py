"""From the item that crossed the cut to the notification, under ``voxpop run`` as a user starts it.

    python benchmarks/notice.py [--surges 25] [--profile bundled] [--quick] [--json]

Four weeks of stories about forty companies of the shipped watchlist are stored by COPY, so that the first look sets
cuts. Then ``voxpop run`` starts, on its own PostgreSQL in a temporary folder and with the default settings but for a
route to a webhook on loopback, and items are handed in at ``/v1/items``: a quiet trickle, and every twenty seconds or
so a surge, a dozen different complaints about one company by as many authors within eight seconds.

The seconds of a surge run from when the item that crossed the cut was handed in (just before the request) to when the
first message with its alert was at the webhook. An alert says when it fired only to the minute, rounded up, so *the
item that crossed* is the last one among its evidence that was handed in before that. As an upper bound the seconds
since the first item of the surge are told too. *Read* is how long it took until the crossing item's opinion was
stored, *raised* from there to the alert, *sent* from there to the message.

A false alert is one about a company that nobody has complained about yet. ``--quick`` reads with topic and sentiment
alone, without claims and risk events.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from notice_stream import MOST_SURGES, Due, companies, stream
from receiver import Arrival, Receiver, receiving
from sqlalchemy import Engine, text
from stored import history, prepare

from voxpop.app import App
from voxpop.models.profile import profile_path
from voxpop.records import Entity
from voxpop.settings import Settings
from voxpop.store import runs
from voxpop.store.embedded import server
from voxpop.text import watchlist

DAYS, MEDIAN = 28, 0.7
"""Of the history: days, and stories an hour of the median company."""
PATIENCE = timedelta(minutes=4)
"""So long after the last item the messages are waited for."""
_READY_SECONDS = 600.0
_LEGS = text(
    "SELECT (SELECT min(m.available_at) FROM mentions m WHERE m.document_id = :document) AS read,"
    " (SELECT a.available_at FROM alerts a WHERE a.alert_id = :alert) AS raised"
)


class Handed(NamedTuple):
    """An item that was handed in: when, and which surge it belongs to."""

    at: datetime
    surge: int | None


class Told(NamedTuple):
    """The first message of an alert."""

    at: datetime
    alert: Mapping[str, Any]


class Timed(NamedTuple):
    """Seconds of one surge."""

    crossing: float
    """From the item that crossed the cut to the message: the sum of the three below."""
    read: float
    raised: float
    sent: float
    first: float
    """From the first item of the surge."""


def quick_profile(home: Path) -> str:
    """A profile of the shipped topic and sentiment alone."""
    shipped = profile_path("english")
    whole = shipped.read_text("utf-8").partition("[nli]")[0]
    file = home / "quick.toml"
    file.write_text(whole.replace('"../models/', f'"{shipped.parent.parent}/models/'), "utf-8")
    return str(file)


def fill(app: App) -> list[Entity]:
    """Stores the history; returns the companies that it is about."""
    app.ensure_watchlist()
    now, linker = datetime.now(UTC), app.linker()
    chosen = companies(watchlist.shipped(), linker, now)
    rows = history([entity.id for entity in chosen], DAYS, MEDIAN, now)
    prepare(app.engine, [row for row in rows if row[2] < now], app.begin_reading().version, linker.version)
    return chosen


@contextmanager
def voxpop_run(settings: Settings) -> Iterator[None]:
    """``voxpop run`` with these settings, until the block ends."""
    named = ("home", "profile", "alerts_file", "port")
    environ = {**os.environ, **{f"VOXPOP_{name.upper()}": str(getattr(settings, name)) for name in named}}
    with (settings.home / "run.txt").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "voxpop", "run"], env=environ, stdout=said, stderr=said)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def await_jobs(app: App, since: datetime) -> None:
    """Waits until the jobs have gone round once, so that cuts are set and what the history raises is told.

    Raises:
        TimeoutError: they have not in ten minutes.
    """
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        with app.engine.connect() as connection:
            last = runs.last(connection)
        if "weekly" in last and last["weekly"].started_at > since:  # the last of the table
            return
        time.sleep(1)
    raise TimeoutError((app.settings.home / "run.txt").read_text("utf-8")[-2000:])


def hand_in(url: str, dues: Sequence[Due]) -> dict[str, Handed]:
    """Hands in each item when it is due; returns them by document."""
    handed: dict[str, Handed] = {}
    began = time.monotonic()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        for due in dues:
            time.sleep(max(0.0, began + due.after - time.monotonic()))
            now = datetime.now(UTC)
            item = {"source": "chirper", "channel": "social", "id": due.author, "published_at": now.isoformat()}
            answer = client.post("/v1/items", json={"items": [{**item, "author": due.author, "text": due.text}]})
            (document,) = answer.raise_for_status().json()["documents"]
            handed[document] = Handed(now, due.surge)
    return handed


def first_told(arrivals: Sequence[Arrival]) -> list[Told]:
    """The first message of each alert, by time."""
    found: dict[str, Told] = {}
    for arrival in arrivals:
        for alert in json.loads(arrival.body)["alerts"]:
            found.setdefault(alert["id"], Told(arrival.at, alert))
    return list(found.values())


def await_alerts(receiver: Receiver, wanted: set[str]) -> list[Told]:
    """What was told once a surge of each wanted company was, or once patience is at its end."""
    until = datetime.now(UTC) + PATIENCE
    while datetime.now(UTC) < until:
        told = first_told(receiver.arrivals)
        if wanted <= {one.alert["entity"] for one in told if one.alert["rule"] == "surge"}:
            return told
        time.sleep(1)
    return first_told(receiver.arrivals)


def timed(engine: Engine, told: Told, handed: Mapping[str, Handed], first: datetime) -> Timed:
    """The seconds of a surge that was told."""
    fired_at = datetime.fromisoformat(told.alert["fired_at"])
    items = {one["id"]: handed[one["id"]].at for one in told.alert["evidence"] if one["id"] in handed}
    crossing = max((at, document) for document, at in items.items() if at <= fired_at)
    with engine.connect() as connection:
        legs = connection.execute(_LEGS, {"document": crossing[1], "alert": told.alert["id"]}).one()
    steps = (crossing[0], legs.read, legs.raised, told.at)
    seconds = [(end - start).total_seconds() for start, end in pairwise(steps)]
    return Timed(sum(seconds), *seconds, (told.at - first).total_seconds())


def figures(app: App, chosen: Sequence[Entity], handed: Mapping[str, Handed], told: Sequence[Told]) -> dict[str, Any]:
    """What is reported, as JSON has it."""
    begins: dict[str, datetime] = {}
    for item in handed.values():
        if item.surge is not None:
            begins.setdefault(chosen[item.surge].id, item.at)
    right = [one for one in told if one.at > begins.get(one.alert["entity"], datetime.max.replace(tzinfo=UTC))]
    surges = [one for one in right if one.alert["rule"] == "surge"]
    found = [timed(app.engine, one, handed, begins[one.alert["entity"]]) for one in surges]
    return {
        "surges": len(begins),
        "told": len({one.alert["entity"] for one in surges}),
        "false": [f"{one.alert['rule']} {one.alert['entity']}" for one in told if one not in right],
        "by other rules": [f"{one.alert['rule']} {one.alert['entity']}" for one in right if one not in surges],
        "seconds": {name: _spread([getattr(one, name) for one in found]) for name in Timed._fields} if found else {},
        "load average": round(os.getloadavg()[1], 1),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(max(seconds), 1)}


def measure(home: Path, surges: int, profile: str) -> dict[str, Any]:
    """Runs it all in ``home``."""
    with receiving() as receiver, socket.create_server(("127.0.0.1", 0)) as free:
        file, port = home / "alerts.toml", free.getsockname()[1]
        free.close()
        file.write_text(receiver.alerts_file, "utf-8")
        settings = Settings(home=home, alerts_file=str(file), port=port, profile=profile)
        with App(settings) as app:
            chosen, started = fill(app), datetime.now(UTC)
            with voxpop_run(settings):
                await_jobs(app, started)
                before = len(first_told(receiver.arrivals))
                handed = hand_in(f"http://127.0.0.1:{port}", stream(chosen, surges, len(chosen) * MEDIAN))
                told = await_alerts(receiver, {entity.id for entity in chosen[:surges]})[before:]
            found = figures(app, chosen, handed, told)
    server.stop(home)
    return found


def report(found: Mapping[str, Any]) -> None:
    """Prints the figures for people."""
    print(
        f"{found['told']} of {found['surges']} surges told, {len(found['false'])} false alerts {found['false'] or ''}"
    )
    print(f"alerts of other rules about the same companies: {', '.join(found['by other rules']) or 'none'}")
    for name, spread in found["seconds"].items():
        print(f"{name:9}" + "".join(f"  {which} {value:6.1f} s" for which, value in spread.items()))
    print(f"load average {found['load average']}")


def main() -> None:
    """Reads the arguments and measures in a folder that is removed afterwards."""
    options = argparse.ArgumentParser()
    options.add_argument("--surges", type=int, default=25, choices=range(1, MOST_SURGES + 1), metavar="N")
    options.add_argument("--profile", default="bundled")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxpop-notice-") as folder:
        Path(folder).chmod(0o755)
        profile = quick_profile(Path(folder)) if given.quick else given.profile
        found = measure(Path(folder), given.surges, profile)
    print(json.dumps(found)) if given.json else report(found)


if __name__ == "__main__":
    main()
