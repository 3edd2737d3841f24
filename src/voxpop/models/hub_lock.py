"""Lock files: which commit of each checkpoint was pulled, and the SHA-256 of each of its files.

    profile = "hub-en"

    [[checkpoint]]
    name = "owner/name"
    commit = "<40 hexadecimal digits>"
    sha256 = { "config.json" = "…", "model.safetensors" = "…" }

They lie in the home folder as ``models/<profile>.lock.toml``, the files as ``models/hub/<owner>--<name>/<commit>/``.
Nothing here opens a connection.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec

from voxpop.errors import ModelError
from voxpop.models.checkpoint import sha256_of
from voxpop.models.hub_profile import HubProfile, HubTask

ALLOWED = (
    re.compile(r"(config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json"),
    re.compile(r"vocab\.txt|merges\.txt"),
    re.compile(r"model\.safetensors(\.index\.json)?|model-\d{5}-of-\d{5}\.safetensors"),
)
"""Names of the files that are pulled and read: weights as safetensors, and text. Nothing that can carry code."""


class Locked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One checkpoint at one commit."""

    name: str
    commit: str
    sha256: dict[str, str]


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was pulled for a profile."""

    profile: str
    checkpoint: tuple[Locked, ...]

    def of(self, name: str) -> Locked | None:
        """The entry of a repository."""
        return next((locked for locked in self.checkpoint if locked.name == name), None)


def allowed(file: str) -> bool:
    """Whether a file of this name is pulled and read."""
    return any(pattern.fullmatch(file) for pattern in ALLOWED)


def lock_path(home: Path, profile: str) -> Path:
    """Where a profile's lock file lies."""
    return home / "models" / f"{profile}.lock.toml"


def folder_of(home: Path, name: str, commit: str) -> Path:
    """Where the files of a repository at a commit lie."""
    return home / "models" / "hub" / name.replace("/", "--") / commit


def read_lock(home: Path, profile: str) -> Lock | None:
    """The lock file of a profile; None: nothing was pulled.

    Raises:
        ModelError: it is malformed, or names files that are never read.
    """
    path = lock_path(home, profile)
    try:
        lock = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Lock)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"The lock file {path} is malformed: {error}; {_pull(profile)} writes it anew.") from error
    if not all(allowed(file) for locked in lock.checkpoint for file in locked.sha256):
        raise ModelError(f"The lock file {path} names a file that is never read; {_pull(profile)} writes it anew.")
    return lock


def write_lock(home: Path, lock: Lock) -> Path:
    """Writes a lock file, whole or not at all."""
    lines = [f"profile = {json.dumps(lock.profile)}"]
    for locked in lock.checkpoint:
        hashes = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in sorted(locked.sha256.items()))
        lines += ["", "[[checkpoint]]", f"name = {json.dumps(locked.name)}", f"commit = {json.dumps(locked.commit)}"]
        lines += [f"sha256 = {{ {hashes} }}"]
    path = lock_path(home, lock.profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


class Files(msgspec.Struct, frozen=True):
    """A checkpoint on this machine: its folder, and what the SHA-256 of each file must be (of a folder: is)."""

    folder: Path
    sha256: dict[str, str]


def find(profile: HubProfile, home: Path) -> dict[str, Files]:
    """The files of each checkpoint of a profile, by the name under which a task asks for it. No hash is checked yet.

    Raises:
        ModelError: a checkpoint was not pulled, or at another commit; a folder is missing.
    """
    lock = read_lock(home, profile.name)
    return {
        task.checkpoint: _folder(Path(task.checkpoint)) if task.local else _pulled(profile, task, lock, home)
        for task in profile.tasks.values()
        if task.checkpoint
    }


def _folder(folder: Path) -> Files:
    if not folder.is_dir():
        raise ModelError(f"The checkpoint {folder} is missing: there is no such folder.")
    return Files(folder, {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if allowed(path.name)})


def _pulled(profile: HubProfile, task: HubTask, lock: Lock | None, home: Path) -> Files:
    locked = lock.of(task.checkpoint) if lock else None
    if locked is None:
        raise ModelError(f"The checkpoint {task.checkpoint} was not pulled: {_pull(profile.name)} fetches it.")
    if task.revision and locked.commit != task.revision:
        raise ModelError(
            f"The checkpoint {task.checkpoint} was pulled at commit {locked.commit}, but its profile names"
            f" {task.revision}: {_pull(profile.name)} fetches it."
        )
    return Files(folder_of(home, locked.name, locked.commit), locked.sha256)


def faults(files: Files) -> list[str]:
    """What is missing or changed, a phrase for each file; empty: every hash is as it must be."""
    found = []
    for name, sha256 in sorted(files.sha256.items()):
        try:
            if sha256_of(files.folder / name) != sha256:
                found.append(f"{name} is not the file that was pulled")
        except ModelError:
            found.append(f"{name} is missing or cannot be read")
    return found


def check_files(name: str, files: Files, profile: str) -> None:
    """Nothing, where every file is as it must be.

    Raises:
        ModelError: a file is missing or another one.
    """
    if found := faults(files):
        raise ModelError(f"Of the checkpoint {name} in {files.folder}, {', '.join(found)}: {_pull(profile)} mends it.")


def _pull(profile: str) -> str:
    return f"`voxpop models pull {profile}`"
