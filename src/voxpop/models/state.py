"""Whether what a profile names is there and unchanged. Loads no weights and opens no connection."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from voxpop.errors import ModelError
from voxpop.models import checkpoint
from voxpop.models.hub_lock import faults, find
from voxpop.models.hub_profile import HubProfile
from voxpop.models.profile import Profile
from voxpop.models.routed_profile import read_parts


class FileState(NamedTuple):
    """A file of a checkpoint, adapter or encoder; ``fault`` is empty where its hash is as it must be."""

    of: str
    file: str
    fault: str


def verify(profile: str, home: Path) -> list[FileState]:
    """Checks the hash of every file that a profile names.

    Raises:
        ModelError: there is no such profile, or what it names is not on this machine at all.
    """
    _, parts = read_parts(profile)
    return [
        state
        for part in parts
        for state in (_adapters(part) if isinstance(part, Profile) else _checkpoints(part, home))
    ]


def examine(profile: str, home: Path) -> tuple[str, list[FileState]]:
    """What keeps a profile from being loaded, in one sentence (empty: nothing that its files show), and the files."""
    try:
        found = verify(profile, home)
    except ModelError as error:
        return str(error), []
    bad = "; ".join(f"of {state.of}, {state.fault}" for state in found if state.fault)
    return f"The model profile {profile!r} lacks what it names: {bad}." if bad else "", found


def _adapters(profile: Profile) -> list[FileState]:
    found = []
    for name in sorted({task.encoder for task in profile.tasks.values()}):
        encoder = checkpoint.find_encoder(name)
        found.append(FileState(name, encoder.weights.name, ""))
    for task in profile.tasks.values():
        for name, sha256 in sorted(task.sha256.items()):
            found.append(FileState(str(task.adapter), name, _fault(task.adapter / name, sha256)))
    return found


def _fault(path: Path, sha256: str) -> str:
    try:
        return "" if checkpoint.sha256_of(path) == sha256 else f"{path.name} is not the one its profile names"
    except ModelError:
        return f"{path.name} is missing or cannot be read"


def _checkpoints(profile: HubProfile, home: Path) -> list[FileState]:
    found = []
    for name, files in find(profile, home).items():
        bad = {fault.split(" ", 1)[0]: fault for fault in faults(files)}
        found += [FileState(name, file, bad.get(file, "")) for file in sorted(files.sha256)]
    return found
