"""A backup and its return: nothing is lost, nothing is half done, and nothing is sent twice."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.store import filled, samples
from voxpop import testing
from voxpop.errors import SettingError, StoreError
from voxpop.store import backup, epoch, positions, restore, schema

Rows = dict[str, list[str]]


def everything(engine: Engine, without: tuple[str, ...] = ()) -> Rows:
    with engine.connect() as connection:
        return {t: rows for t, rows in filled.held(connection, filled.columns(connection)).items() if t not in without}


@pytest.fixture
def full(engine: Engine) -> Engine:
    """A database with a row in every table."""
    samples.write(engine, [samples.reading(samples.document(f"d{n}", n, f"body {n}")) for n in range(3)])
    with engine.begin() as connection:
        filled.fill(connection)
    return engine


@pytest.fixture
def other(empty_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


MOVED = ("facts", "positions")
"""A restore holds the sending epoch, and raises those of the partitions."""


def test_every_row_of_every_table_comes_back(full: Engine, other: Engine, tmp_path: Path, home: Path) -> None:
    with full.begin() as connection:
        claim = positions.claim(connection, group="g", topic="t", topic_id="i", partition=0, owner="o")
    made = backup.make(full, tmp_path / "b.zip")
    assert made.rows == sum(map(len, everything(full).values()))
    restore.restore(other, tmp_path / "b.zip")
    assert everything(other, MOVED) == everything(full, MOVED)
    assert schema.difference(other) == []
    with other.begin() as connection:
        again = positions.claim(connection, group="g", topic="t", topic_id="i", partition=0, owner="o")
        assert again.next_offset == claim.next_offset
        assert again.epoch > claim.epoch + 1000, "a member from before the restore must be fenced"
        assert not epoch.agrees(connection, home / "elsewhere"), "nothing may be sent after a restore"


def test_the_same_home_sends_nothing_after_a_restore_either(full: Engine, tmp_path: Path, home: Path) -> None:
    with full.begin() as connection:
        epoch.write(tmp_path, epoch.advance(connection, tmp_path))
    backup.make(full, tmp_path / "b.zip")
    restore.restore(full, tmp_path / "b.zip", replace=True)
    with full.begin() as connection:
        assert not epoch.agrees(connection, tmp_path)
        epoch.write(tmp_path, epoch.advance(connection, tmp_path))  # as a release does
    with full.begin() as connection:
        assert epoch.agrees(connection, tmp_path)


def test_what_is_written_meanwhile_is_in_the_backup_or_not_but_never_in_part(
    full: Engine, other: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, late = everything(full), iter(range(100, 200))

    def write_on(_: str) -> None:
        samples.write(full, [samples.reading(samples.document(f"d{n}", n, f"body {n}")) for n in [next(late)]])

    monkeypatch.setattr(testing, "reach", write_on)
    backup.make(full, tmp_path / "b.zip")
    monkeypatch.undo()
    assert len(everything(full)["documents"]) > len(before["documents"])
    restore.restore(other, tmp_path / "b.zip")
    assert everything(other, MOVED) == {t: rows for t, rows in before.items() if t not in MOVED}


def test_a_database_that_holds_something_or_is_in_use_is_refused(full: Engine, other: Engine, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    backup.make(full, path)
    before = everything(full)
    with pytest.raises(StoreError, match="--replace"):
        restore.restore(full, path)
    with full.connect() as reader:
        reader.execute(text("SELECT 1"))
        elsewhere = create_engine(full.url)
        with pytest.raises(StoreError, match="stop `voxpop run`"):
            restore.restore(elsewhere, path, replace=True)
        elsewhere.dispose()
    assert everything(full) == before
    with pytest.raises(SettingError, match="is there already"):
        backup.make(full, path)


def test_a_damaged_file_is_refused_before_anything_is_written(full: Engine, other: Engine, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    backup.make(full, path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as members:
        largest = max(members.infolist(), key=lambda member: member.compress_size)
    within = largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2
    for name, damaged in {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:within] + bytes([whole[within] ^ 1]) + whole[within + 1 :],
        "empty": b"",
    }.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(StoreError, match="damaged"):
            restore.restore(other, tmp_path / name)
    with pytest.raises(SettingError, match="cannot be read"):
        restore.restore(other, tmp_path / "missing")
    assert schema.current(other) is None


def rewritten(path: Path, to: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """The backup with one member changed, and a zip's own sums right."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            raw = old.read(name)
            new.writestr(name, change(raw) if name == member else raw)
    return to


def test_rows_that_are_not_those_of_the_manifest_and_newer_schemas_are_refused(
    full: Engine, other: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "b.zip"
    backup.make(full, path)
    swapped = rewritten(path, tmp_path / "a", backup.member("documents"), lambda raw: raw.replace(b"body", b"BODY"))
    with pytest.raises(StoreError, match="not those that were written"):
        restore.restore(other, swapped)

    def newer(raw: bytes) -> bytes:
        return json.dumps(json.loads(raw) | {"revision": "9999"}).encode()

    with pytest.raises(StoreError, match="install that version or a newer one"):
        restore.restore(other, rewritten(path, tmp_path / "c", backup.MANIFEST, newer))
    assert schema.current(other) is None


def _make(url: str, path: str) -> None:
    backup.make(create_engine(url), Path(path))


def _restore(url: str, path: str) -> None:
    restore.restore(create_engine(url), Path(path), replace=True)


def killed(fault: str, work: Callable[[str, str], None], *arguments: str) -> None:
    """Runs ``work`` in a process that kills itself."""

    def run() -> None:
        testing.arm(fault)
        work(*arguments)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_kill_9_in_the_middle_of_either_leaves_nothing_half_done(
    full: Engine, database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "b.zip"
    full.dispose()
    for fault in ("table-backed-up:kill:5", "backed-up:kill"):
        killed(fault, _make, database_url, str(path))
        assert not path.exists()
    backup.make(full, path)
    with full.begin() as connection:
        connection.execute(text("UPDATE documents SET author = 'since'"))
    before = everything(full)
    full.dispose()
    for fault in ("table-restored:kill:5", "restored:kill"):
        killed(fault, _restore, database_url, str(path))
        assert everything(full) == before
        full.dispose()
    restore.restore(full, path, replace=True)
    assert everything(full)["documents"] != before["documents"]


def test_a_backup_of_an_older_schema_is_brought_to_todays(full: Engine, other: Engine, tmp_path: Path) -> None:
    backup.make(full, tmp_path / "b.zip")
    schema.upgrade(other, "0001")
    with other.begin() as connection:
        filled.fill(connection)
        old = filled.columns(connection)
        before = filled.held(connection, old)
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        notes = []
        raw = other.raw_connection()
        for table, kinds in old.items():
            names = ", ".join(f'"{name}"' for name in kinds)
            with raw.cursor() as cursor, cursor.copy(f'COPY "{table}" ({names}) TO STDOUT') as copy:  # type: ignore[attr-defined]
                rows = b"".join(map(bytes, copy))
            archive.writestr(backup.member(table), rows)
            digest = hashlib.sha256(rows).hexdigest()
            notes.append({"name": table, "columns": list(kinds), "rows": 1, "sha256": digest})
        raw.close()
        said = {"format": backup.FORMAT, "voxpop": "0", "revision": "0001", "made_at": "2026-01-01T00:00:00Z"}
        archive.writestr(backup.MANIFEST, json.dumps(said | {"tables": notes}))
    restore.restore(other, path, replace=True)
    assert schema.difference(other) == []
    with other.connect() as connection:
        after = filled.held(connection, old)
    assert {t: rows for t, rows in after.items() if t not in MOVED} == {
        t: rows for t, rows in before.items() if t not in MOVED
    }
    assert oct((tmp_path / "b.zip").stat().st_mode & 0o777) == "0o600"
