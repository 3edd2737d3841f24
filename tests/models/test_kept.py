"""Results on disk: found again by another process, bounded, whole after a kill, and gone without where damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from voxpop.models.kept import Kept

MOST = 10_000_000


def test_what_is_kept_is_found_by_the_next_and_by_its_version_alone(tmp_path: Path) -> None:
    first = Kept(tmp_path, "a/1", MOST)
    first.keep([(b"k1", b"one"), (b"k2", b"")])
    first.close()
    again = Kept(tmp_path, "a/1", MOST)
    assert again.found([b"k1", b"k2", b"k3"]) == {b"k1": b"one", b"k2": b""}
    assert Kept(tmp_path, "a/2", MOST).found([b"k1"]) == {}


def test_many_keys_are_asked_for_at_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "v", MOST)
    keys = [n.to_bytes(16, "big") for n in range(2000)]
    kept.keep([(key, key[::-1]) for key in keys])
    assert kept.found(keys) == {key: key[::-1] for key in keys}


def test_the_oldest_go_where_there_is_no_room(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "v", 400_000)
    for n in range(40):
        kept.keep([(n.to_bytes(2, "big") + i.to_bytes(2, "big"), bytes(1000)) for i in range(25)])
    assert kept.found([(39).to_bytes(2, "big") + bytes(2)])
    assert not kept.found([bytes(4)])
    kept.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000


def test_files_of_other_versions_make_room(tmp_path: Path) -> None:
    old = Kept(tmp_path, "old", MOST)
    old.keep([(n.to_bytes(4, "big"), bytes(1000)) for n in range(500)])
    old.close()
    Kept(tmp_path, "new", 100_000).close()
    assert [path.name for path in tmp_path.glob("*.sqlite")] == ["new.sqlite"]


def test_a_damaged_file_is_gone_without(tmp_path: Path) -> None:
    (tmp_path / "v.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    kept = Kept(tmp_path, "v", MOST)
    kept.keep([(b"k", b"v")])
    assert kept.found([b"k"]) == {}


PROGRAM = """
import sys
from pathlib import Path
from voxpop.models.kept import Kept
kept = Kept(Path(sys.argv[1]), "v", 10_000_000)
for n in range(1_000_000):
    kept.keep([(b"%d.%d" % (n, i), b"%d" % n) for i in range(20)])
    if n == 20:
        print("ready", flush=True)
"""


def test_a_kill_leaves_it_whole(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    kept = Kept(tmp_path, "v", MOST)
    for n in range(21):
        assert len(kept.found([b"%d.%d" % (n, i) for i in range(20)])) == 20
    kept.keep([(b"more", b"1")])
    assert kept.found([b"more"])
    kept.close()
