"""Imports run downwards only, and nobody pays for torch who does not need it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "voxpop"

FLOORS: list[set[str]] = [
    {"errors", "exact", "testing", "metrics", "postgres"},
    {"records"},
    {"settings"},
    {"text"},
    {"signals", "knowledge", "sources", "log", "models", "store", "notify"},
    {"claims", "inference", "alertsfile"},
    {"risks"},
    {"reading"},
    {"stages", "sample"},
    {"analysis", "intake", "worker", "training", "alerting", "alarms", "schemas", "retention", "backlog"},
    {"reports", "polling"},
    {"jobs"},
    {"app"},
    {"shadow"},
    {
        "ask",
        "bench",
        "readmit",
        "scratch",
        "replay",
        "pointintime",
        "consumer",
        "scheduled",
        "eventtest",
        "why",
        "promotion",
    },
    {"api"},
    {"runner", "fleet"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
PURE = {"text", "signals", "knowledge"}
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "trafilatura",
    "feedparser",
    "plotly",
    "pandas",
    "apprise",
    "matplotlib",
    "typst",
)
SELDOM = ("alembic", "httpx", "jinja2", "phonenumbers", "fastapi", "scipy")
"""What a process needs only when it migrates, fetches, reports, masks a number or serves."""
STORE = ("sqlalchemy", "psycopg", "numpy")
WITHOUT: Mapping[str, Sequence[str]] = {
    "voxpop.cli": (*HEAVY, *SELDOM, *STORE),
    "voxpop.app": (*HEAVY, *SELDOM, "numpy", "rapidfuzz", "prometheus_client", "voxpop.stages", "voxpop.jobs"),
    "voxpop.consumer": (*HEAVY, *SELDOM),
    "voxpop.runner": (*HEAVY, *SELDOM),
    "voxpop.jobs": (*HEAVY, *SELDOM),
    "voxpop.models": (*HEAVY, *SELDOM, *STORE),
    "voxpop.api.server": HEAVY,
}
"""What the import of a module may not bring along."""


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports, whether at its top, inside a function or for types alone."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "voxpop":
                names = [f"voxpop.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("voxpop.")}
    return rooms


FILES = sorted(p for p in SOURCE.rglob("*.py") if p.parent != SOURCE or p.stem != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_downwards_only(path: Path) -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    room = room_of(path)
    if room == "data":
        return
    assert room in floor, f"say in FLOORS where {room} stands"
    for other in imported_rooms(path) - {room}:
        assert floor[other] < floor[room], f"{room} may not import {other}"


def test_pure_rooms_read_no_clock_no_file_of_the_user_and_no_network() -> None:
    for path in (p for p in FILES if room_of(p) in PURE):
        source = path.read_text("utf-8")
        for word in ("datetime.now", "time.time", "os.environ", "import socket", "sqlalchemy", "psycopg", "httpx"):
            assert word not in source, f"{path.name} is pure, so it may not use {word}"


def test_only_the_worker_moves_offsets() -> None:
    users = [p.relative_to(SOURCE).as_posix() for p in FILES if "positions.advance(" in p.read_text("utf-8")]
    assert users == ["worker/holdings.py"]


@pytest.mark.parametrize(("module", "without"), WITHOUT.items(), ids=lambda p: p if isinstance(p, str) else "")
def test_nothing_heavy_is_imported_before_it_is_used(module: str, without: Sequence[str]) -> None:
    code = f"import sys, {module}; print(*[m for m in {without!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("path", sorted((ROOT / "consumers").glob("*.py")), ids=lambda p: p.name)
def test_a_consumer_parses_delegates_and_ends(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 20
