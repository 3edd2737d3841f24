"""Profiles: which weights answer which question.

A profile is a TOML file. The shipped ones are asked for by name, any other by its path; adapter folders are relative
to the file:

    name = "bundled"
    languages = ["en"]
    dtype = "auto"                      # or "float32", "bfloat16"

    [topic]                             # and [sentiment] alike
    encoder = "all-MiniLM-L6-v2"
    adapter = "../models/topic-en"
    max_tokens = 256
    labels = ["Analyst Update", …]
    sha256 = { "adapter.safetensors" = "…", "head.safetensors" = "…" }
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, get_args

import msgspec

from voxpop.errors import ModelError
from voxpop.records import SENTIMENTS, Language, digest

DType = Literal["auto", "float32", "bfloat16"]
Task = Literal["topic", "sentiment"]

TASKS: tuple[Task, ...] = get_args(Task)
ADAPTER, HEAD = "adapter.safetensors", "head.safetensors"
MAX_TOKENS: dict[Task, int] = {"topic": 256, "sentiment": 128}
"""Most tokens of one sequence: the head of a text for its topic, a window around the mentions for sentiment."""

SHIPPED = Path(__file__).parent.parent / "data" / "profiles"


class TaskProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weights of one task. ``sha256`` names both files of the adapter's folder."""

    encoder: str
    adapter: Path
    labels: tuple[str, ...]
    sha256: dict[str, str]
    max_tokens: int


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile as its file states it, adapter folders made absolute."""

    name: str
    languages: frozenset[Language]
    topic: TaskProfile
    sentiment: TaskProfile
    dtype: DType = "auto"

    def version(self, encoders: dict[str, str], dtype: str) -> str:
        """The name and a short hash of all that decides a result: weights, labels, lengths and number format.

        Args:
            encoders: SHA-256 of each encoder by name.
            dtype: the number format in force.
        """
        parts = [dtype]
        for task in (self.topic, self.sentiment):
            parts += [encoders[task.encoder], task.sha256[ADAPTER], task.sha256[HEAD], str(task.max_tokens)]
            parts += [str(len(task.labels)), *task.labels]
        return f"{self.name}-{digest(*parts, size=6)}"


def shipped() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read_profile(profile: str) -> Profile:
    """The profile of that name, or in the TOML file at that path.

    Raises:
        ModelError: no such profile, or a file that is not one.
    """
    path = Path(profile) if profile.endswith(".toml") else SHIPPED / f"{profile}.toml"
    try:
        stated = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Profile, dec_hook=_path)
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise ModelError(f"There is no model profile {profile!r}; shipped are {', '.join(shipped())}.") from error
        raise ModelError(f"The model profile {path} is malformed: {error}.") from error
    _check(stated, path)
    return msgspec.structs.replace(
        stated, topic=_resolved(stated.topic, path), sentiment=_resolved(stated.sentiment, path)
    )


def _path(kind: type, value: object) -> object:
    """Paths are strings in TOML."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)


def _check(profile: Profile, path: Path) -> None:
    if profile.sentiment.labels != SENTIMENTS:
        raise ModelError(f"The model profile {path} must list the sentiments as {', '.join(SENTIMENTS)}.")
    for task in (profile.topic, profile.sentiment):
        if task.sha256.keys() != {ADAPTER, HEAD}:
            raise ModelError(f"The model profile {path} must give the SHA-256 of {ADAPTER} and {HEAD}, no others.")
        if not 8 <= task.max_tokens <= 512:
            raise ModelError(f"The model profile {path} wants {task.max_tokens} tokens; the encoder takes 8 to 512.")


def _resolved(task: TaskProfile, path: Path) -> TaskProfile:
    return msgspec.structs.replace(task, adapter=(path.parent / task.adapter).resolve())
