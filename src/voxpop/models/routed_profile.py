"""Profiles of profiles, by language (see :mod:`voxpop.models.routes`), read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from voxpop.errors import ModelError
from voxpop.models.hub_profile import HubProfile, read_any
from voxpop.models.profile import Profile, profile_path, read_profile, read_toml
from voxpop.records import Language


class Routes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile of profiles, by language."""

    name: str
    routes: dict[Language, str]


def is_routes(stated: Mapping[str, Any]) -> bool:
    """Whether the table of a profile names others by language."""
    return "routes" in stated


def read_routes(profile: str, stated: Mapping[str, Any]) -> tuple[Profile, dict[Language, Profile]]:
    """What it is as a whole, and the profile of each language.

    Raises:
        ModelError: it is malformed; a profile does not read its language; or the profiles differ in tasks, topics or
            number format.
    """
    path = profile_path(profile)
    try:
        table = msgspec.convert(stated, Routes)
    except msgspec.ValidationError as error:
        raise ModelError(f"The model profile {path} is malformed: {error}.") from error
    parts = {lang: read_profile(_beside(of, path)) for lang, of in table.routes.items()}
    if not parts:
        raise ModelError(f"The model profile {path} routes no language.")
    first = next(iter(parts.values()))
    for lang, part in parts.items():
        if lang not in part.languages:
            raise ModelError(f"The model profile {path} sends {lang} to {part.name!r}, which does not read it.")
        if part.topic.labels != first.topic.labels or [*part.tasks, part.dtype] != [*first.tasks, first.dtype]:
            raise ModelError(f"The profiles {first.name!r} and {part.name!r} differ in tasks, topics or number format.")
    return msgspec.structs.replace(first, name=table.name, languages=frozenset(parts)), parts


def read_parts(profile: str) -> tuple[Profile | HubProfile, list[Profile | HubProfile]]:
    """The profile of that name or path as a whole, and those that it consists of: itself, unless it is one of routes.

    Raises:
        ModelError: no such profile, or a file that is not one.
    """
    if is_routes(table := read_toml(profile)):
        whole, parts = read_routes(profile, table)
        return whole, list(parts.values())
    stated = read_any(profile)
    return stated, [stated]


def by_language(profile: str) -> dict[Language, Profile | HubProfile]:
    """Whose networks read each language.

    Raises:
        ModelError: no such profile, or a file that is not one.
    """
    if is_routes(table := read_toml(profile)):
        return dict(read_routes(profile, table)[1])
    stated = read_any(profile)
    return dict.fromkeys(sorted(stated.languages), stated)


def _beside(profile: str, path: Path) -> str:
    return str((path.parent / profile).resolve()) if profile.endswith(".toml") else profile
