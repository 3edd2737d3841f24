"""Profiles of public checkpoints, as the Hugging Face hub holds them.

A task names a checkpoint, its commit, and our label for each output of its network:

    name = "hub-en"
    languages = ["en"]
    dtype = "auto"

    [sentiment]
    checkpoint = "owner/name"           # or a folder: "./mine", relative to this file
    revision = "<40 hexadecimal digits>"
    max_tokens = 128
    labels = ["positive", "negative", "neutral"]

    [topic]                             # no weights of its own: asked of the nli task
    hypotheses = ["This text is about earnings.", …]
    max_tokens = 256
    labels = ["Earnings", …]

An empty revision is unpinned: ``voxpop models pull`` then takes the commit that ``main`` stands at, writes it with the
hash of every file into a lock file, and that is what is loaded from then on. Topics by hypotheses are zero-shot
classification (Yin, Hay and Roth 2019, arXiv 1909.00161): one run of the network for each label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from voxpop.errors import ModelError
from voxpop.models.profile import (
    INFERENCES,
    TASKS,
    DType,
    Profile,
    RiskWeights,
    Task,
    is_hub,
    profile_path,
    read_profile,
    read_toml,
)
from voxpop.records import SENTIMENTS, Language, digest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANTED: Mapping[Task, tuple[str, ...]] = {
    "sentiment": SENTIMENTS,
    "nli": INFERENCES,
    "qa": ("first", "last"),
}


class HubTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task: a checkpoint and our label for each output of its network; or hypotheses, one for each label."""

    checkpoint: str = ""
    revision: str = ""
    labels: tuple[str, ...]
    hypotheses: tuple[str, ...] = ()
    max_tokens: int
    threshold: float = 0.0
    """Of question answering: a span is given where its score is above that of no answer by more than this."""

    @property
    def local(self) -> bool:
        """Whether the checkpoint is a folder of this machine."""
        return Path(self.checkpoint).is_absolute()


class HubProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile of public checkpoints as its file states it, folders made absolute."""

    name: str
    languages: frozenset[Language]
    topic: HubTask
    sentiment: HubTask
    nli: HubTask | None = None
    qa: HubTask | None = None
    risks: RiskWeights | None = None
    dtype: DType = "auto"

    @property
    def tasks(self) -> dict[Task, HubTask]:
        """The tasks that it names."""
        named: dict[Task, HubTask | None] = {name: getattr(self, name) for name in TASKS}
        return {name: task for name, task in named.items() if task is not None}

    @property
    def repositories(self) -> dict[str, str]:
        """Revision by repository of the hub, in the order of the tasks."""
        return {task.checkpoint: task.revision for task in self.tasks.values() if task.checkpoint and not task.local}

    def version(self, files: Mapping[str, Mapping[str, str]], dtype: str) -> str:
        """The name and a short hash of all that decides a result: files, labels, lengths, weights of risks and number
        format.

        Args:
            files: SHA-256 of each file of each checkpoint.
            dtype: the number format in force.
        """
        parts = [dtype]
        for name, task in self.tasks.items():
            hashes = [f"{file}={sha256}" for file, sha256 in sorted(files.get(task.checkpoint, {}).items())]
            parts += [name, str(len(hashes)), *hashes, str(task.max_tokens)]
            parts += [str(task.threshold), str(len(task.labels)), *task.labels, *task.hypotheses]
        if self.risks is not None:
            parts.append(repr(self.risks))
        return f"{self.name}-{digest(*parts, size=6)}"


def read_any(profile: str) -> Profile | HubProfile:
    """The profile of that name, or in the TOML file at that path, of either kind.

    Raises:
        ModelError: no such profile, or a file that is not one.
    """
    stated = read_toml(profile)
    return _hub_profile(stated, profile_path(profile)) if is_hub(stated) else read_profile(profile)


def _hub_profile(stated: Mapping[str, Any], path: Path) -> HubProfile:
    try:
        profile = msgspec.convert(stated, HubProfile)
    except msgspec.ValidationError as error:
        raise ModelError(f"The model profile {path} is malformed: {error}.") from error
    if not _NAME.fullmatch(profile.name):
        raise ModelError(f"The model profile {path} must have a name of letters, digits, '.', '_' and '-'.")
    for name, task in profile.tasks.items():
        if said := _fault(name, task, profile):
            raise ModelError(f"The model profile {path} {said}.")
    changed = {name: _resolved(task, path) for name, task in profile.tasks.items()}
    return msgspec.structs.replace(profile, **changed)


def _fault(name: Task, task: HubTask, profile: HubProfile) -> str:
    """What is wrong with a task, as the end of a sentence; empty: nothing."""
    wanted = _WANTED.get(name)
    if wanted and (len(task.labels) != len(wanted) or set(task.labels) != set(wanted)):
        return f"must list the labels of {name} as {', '.join(wanted)}, in the order of the checkpoint's outputs"
    if name == "qa" and task.labels != wanted:
        return "must list the labels of qa as first, last"
    if len(set(task.labels)) != len(task.labels) or len(task.labels) < 2:
        return f"must list two or more labels of {name}, each once"
    if not 16 <= task.max_tokens <= 512:
        return f"wants {task.max_tokens} tokens for {name}; a network takes 16 to 512"
    if task.hypotheses:
        return _fault_of_hypotheses(name, task, profile)
    return _fault_of_checkpoint(name, task)


def _fault_of_hypotheses(name: Task, task: HubTask, profile: HubProfile) -> str:
    if name != "topic" or task.checkpoint:
        return f"may have hypotheses instead of a checkpoint for topic alone, not for {name}"
    if len(task.hypotheses) != len(task.labels):
        return "must have one hypothesis for each topic"
    return "" if profile.nli else "has hypotheses for topic, but no nli to ask them of"


def _fault_of_checkpoint(name: Task, task: HubTask) -> str:
    if _is_folder(task):
        return "" if not task.revision else f"gives a revision of a folder for {name}"
    if not _REPOSITORY.fullmatch(task.checkpoint):
        return f"names no checkpoint for {name}: owner/name, or a folder that begins with ./ or /"
    if task.revision and not _COMMIT.fullmatch(task.revision):
        return f"must give the revision for {name} as the 40 hexadecimal digits of a commit, or leave it empty"
    return ""


def _is_folder(task: HubTask) -> bool:
    return task.checkpoint.startswith(("./", "../", "/"))


def _resolved(task: HubTask, path: Path) -> HubTask:
    if not _is_folder(task):
        return task
    return msgspec.structs.replace(task, checkpoint=str((path.parent / task.checkpoint).resolve()))
