"""All of it in one run."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import msgspec
import torch

from voxpop import models
from voxpop.bench import reading, storing
from voxpop.bench.texts import NEWS_SPREAD, NEWS_TOKENS, Writer, lengths
from voxpop.bench.timing import Row, Tell
from voxpop.models.engine import cores


class Machine(msgspec.Struct, frozen=True):
    """What it was measured on; ``load`` is the average of the last minute, before and after."""

    processor: str
    cores: int
    instructions: str
    torch: str
    dtype: str
    load: tuple[float, float]


class Report(msgspec.Struct, frozen=True):
    """The figures, texts a second by batch policy, the machine, and what the run took."""

    rows: list[Row]
    policies: dict[str, float]
    machine: Machine
    texts: int
    runs: int
    seconds: float


def measure(texts: Sequence[str], runs: int, tell: Tell, *, store: bool = True) -> Report:
    """Measures on ``texts``, each figure in ``runs`` turns; ``store`` adds what needs a database.

    The reader runs on the processor, as its peers do.
    """
    load, start = os.getloadavg()[0], perf_counter()
    with tempfile.TemporaryDirectory(prefix="voxpop-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database server's user must get in
        reader = models.load(reading.PROFILE, device="cpu")
        given = reading.Given(texts, runs, tell)
        rows = [
            *reading.against_peers(given, reader),
            reading.one_long(given, reader),
            *reading.padded(),
            reading.ten_times(given, reader),
            *reading.formats(given, folder),
        ]
        by_policy = dict(reading.by_policy(given._replace(runs=min(runs, 3))))
        rows.append(storing.preparing(runs, tell))
        if store:
            with storing.opened(folder / "home") as app:
                rows += [storing.log_to_sql(app, texts, runs, tell), *storing.sink(app.engine, runs, tell)]
    machine = Machine(
        processor=_processor(),
        cores=cores(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        torch=str(torch.__version__),
        dtype=str(reading.reader_dtype()).removeprefix("torch."),
        load=(round(load, 2), round(os.getloadavg()[0], 2)),
    )
    return Report(rows, by_policy, machine, len(texts), runs, round(perf_counter() - start, 1))


def written(count: int) -> list[str]:
    """Texts of lengths as news has them."""
    return Writer().texts(lengths(count, NEWS_TOKENS, NEWS_SPREAD))


def _processor() -> str:
    """The processor's name, as far as the machine tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
