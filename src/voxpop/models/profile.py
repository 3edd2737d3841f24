"""Profiles: which weights answer which question.

A profile is a TOML file. The shipped ones are asked for by name, any other by its path; adapter folders are relative
to the file:

    name = "english"
    languages = ["en"]
    dtype = "auto"                      # or "float32", "bfloat16"

    [topic]                             # and [sentiment] alike; [nli] and [qa] where it can do them
    encoder = "all-MiniLM-L6-v2"
    adapter = "../models/topic-en"
    max_tokens = 256
    labels = ["Analyst Update", …]
    sha256 = { "adapter.safetensors" = "…", "head.safetensors" = "…" }

An encoder of one's own, as ``voxpop pretrain`` or ``graft`` makes it, is named by its folder: ``encoder =
"./encoder-zh"``. A profile that gives each language another profile is that of :mod:`voxpop.models.routes`.

Profiles of public checkpoints are those of :mod:`voxpop.models.hub_profile`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from voxpop.errors import ModelError
from voxpop.records import SENTIMENTS, Language, digest

DType = Literal["auto", "float32", "bfloat16"]
Task = Literal["topic", "sentiment", "nli", "qa"]

TASKS: tuple[Task, ...] = get_args(Task)
ADAPTER, HEAD = "adapter.safetensors", "head.safetensors"
MAX_TOKENS: dict[Task, int] = {"topic": 256, "sentiment": 128, "nli": 256, "qa": 256}
"""Most tokens of one sequence: the head of a text for its topic, a window around the mentions for sentiment, premise
and hypothesis together, and a question with a window of the text."""

STRIDE = 96
"""Tokens that neighbouring windows of question answering share."""

INFERENCES = ("entailment", "neutral", "contradiction")
"""The labels of natural-language inference, in their order."""

SHIPPED = Path(__file__).parent.parent / "data" / "profiles"


class TaskProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weights of one task. ``sha256`` names both files of the adapter's folder."""

    encoder: str
    adapter: Path
    labels: tuple[str, ...]
    sha256: dict[str, str]
    max_tokens: int


class RiskWeights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A logistic model of how surely a text reports a risk event, the same for every event; ``voxpop events weigh``
    fits it to a profile's networks. Those of no profile in particular take inference at its word.

    Each number is the weight of one piece of :class:`voxpop.risks.Evidence`.
    """

    entailed: float = 1.0
    entailed_by_sentences: float = 0.0
    likeness: float = 0.0
    lead: float = 0.0
    over_quiet: float = 0.0
    bias: float = 0.0
    least: float = 0.5
    """An event is reported from this probability on."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile as its file states it, adapter folders made absolute."""

    name: str
    languages: frozenset[Language]
    topic: TaskProfile
    sentiment: TaskProfile
    nli: TaskProfile | None = None
    qa: TaskProfile | None = None
    risks: RiskWeights | None = None
    dtype: DType = "auto"

    @property
    def tasks(self) -> dict[Task, TaskProfile]:
        """The tasks that it names."""
        named: dict[Task, TaskProfile | None] = {name: getattr(self, name) for name in TASKS}
        return {name: task for name, task in named.items() if task is not None}

    def version(self, encoders: dict[str, str], dtype: str) -> str:
        """The name and a short hash of all that decides a result: weights, labels, lengths and number format.

        Args:
            encoders: SHA-256 of each encoder by name.
            dtype: the number format in force.
        """
        parts = [dtype]
        for task in self.tasks.values():
            parts += [encoders[task.encoder], task.sha256[ADAPTER], task.sha256[HEAD], str(task.max_tokens)]
            parts += [str(len(task.labels)), *task.labels]
        if self.risks is not None:
            parts.append(repr(self.risks))
        return f"{self.name}-{digest(*parts, size=6)}"


def shipped() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def profile_path(profile: str) -> Path:
    """Where the profile of that name, or at that path, is stated."""
    return Path(profile) if profile.endswith(".toml") else SHIPPED / f"{profile}.toml"


def read_toml(profile: str) -> dict[str, Any]:
    """What the file of a profile says, of whatever kind it is.

    Raises:
        ModelError: no such profile, or no TOML.
    """
    path = profile_path(profile)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"There is no model profile {profile!r}; shipped are {', '.join(shipped())}.") from error
    except ValueError as error:
        raise ModelError(f"The model profile {path} is malformed: {error}.") from error


def is_hub(stated: Mapping[str, Any]) -> bool:
    """Whether the table of a profile names public checkpoints, not adapters."""
    tasks = [stated[name] for name in TASKS if isinstance(stated.get(name), dict)]
    return any("checkpoint" in task or "hypotheses" in task for task in tasks)


def read_profile(profile: str) -> Profile:
    """The profile of adapters of that name, or in the TOML file at that path.

    Raises:
        ModelError: no such profile, or a file that is not one.
    """
    path, table = profile_path(profile), read_toml(profile)
    if "routes" in table:
        raise ModelError(f"The model profile {path} sends languages to other profiles: name one of those here.")
    if is_hub(table):
        raise ModelError(f"The model profile {path} names public checkpoints; adapters are needed here.")
    try:
        stated = msgspec.convert(table, Profile, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ModelError(f"The model profile {path} is malformed: {error}.") from error
    _check(stated, path)
    return msgspec.structs.replace(stated, **{name: _resolved(task, path) for name, task in stated.tasks.items()})


def _path(kind: type, value: object) -> object:
    """Paths are strings in TOML."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)


def _check(profile: Profile, path: Path) -> None:
    if profile.sentiment.labels != SENTIMENTS:
        raise ModelError(f"The model profile {path} must list the sentiments as {', '.join(SENTIMENTS)}.")
    if profile.nli and profile.nli.labels != INFERENCES:
        raise ModelError(f"The model profile {path} must list the inferences as {', '.join(INFERENCES)}.")
    if profile.qa and len(profile.qa.labels) != 2:
        raise ModelError(f"The model profile {path} must list two labels for qa: the first token and the last.")
    for task in profile.tasks.values():
        if task.sha256.keys() != {ADAPTER, HEAD}:
            raise ModelError(f"The model profile {path} must give the SHA-256 of {ADAPTER} and {HEAD}, no others.")
        if not 8 <= task.max_tokens <= 512:
            raise ModelError(f"The model profile {path} wants {task.max_tokens} tokens; the encoder takes 8 to 512.")


def _resolved(task: TaskProfile, path: Path) -> TaskProfile:
    encoder = str((path.parent / task.encoder).resolve()) if "/" in task.encoder else task.encoder
    return msgspec.structs.replace(task, adapter=(path.parent / task.adapter).resolve(), encoder=encoder)
