"""Layouts: a TOML file that says how another program's JSON or CSV becomes the fields of an item.

.. code-block:: toml

    split = "data.posts"                 # optional: one object holds a list of records

    [map]                                # field of the item = path in the record, or several: the first that is filled
    id = "uid"
    text = ["body", "summary"]
    published_at = "meta.pub_ts"         # dots enter objects, numbers count in lists: "authors.0.name"

    [formats]                            # optional
    published_at = "%d/%m/%Y %H:%M"      # of strptime, "epoch s", "epoch ms" or "iso"; or a list of them
    zone = "Europe/London"               # of dates that name none

    [values.channel]                     # optional: the source's words for a field, in ours
    tweet = "social"

    [constants]                          # optional: fields that the records do not hold
    source = "vendor-x"
    channel = "news"

    [csv]                                # optional
    delimiter = ";"

Paths under ``split`` are looked up in the element of the list first, and then in the object that holds the list.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from voxpop.errors import Refused, SettingError
from voxpop.sources.door import FIELDS, is_missing, parse_date

_DATES: Final = ("published_at", "revised_at")
_EPOCHS: Final = {"epoch s": 1.0, "epoch ms": 1e-3}
_SECTIONS: Final = {"map", "formats", "constants", "values", "csv"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How records of one kind become the fields of items. ``Layout.load(path)`` reads one."""

    paths: Mapping[str, tuple[str, ...]]
    formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zone: tzinfo | None = None
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    split: str = ""
    delimiter: str = ","

    @classmethod
    def load(cls, path: Path) -> Layout:
        """The layout in the TOML file ``path``.

        Raises:
            SettingError: it cannot be read, or a key is unknown or malformed; the message names file and key.
        """
        try:
            return cls.parse(tomllib.loads(path.read_text("utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"layout {path}: {error}") from error
        except SettingError as error:
            raise SettingError(f"layout {path}: {error}") from None

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> Layout:
        """The layout that the parsed TOML ``raw`` describes.

        Raises:
            SettingError: a key is unknown or malformed.
        """
        for key in raw.keys() - _SECTIONS - {"split"}:
            raise SettingError(f"{key} is no key of a layout; there are split, {', '.join(sorted(_SECTIONS))}")
        paths = {name: _strings(value, f"map.{name}") for name, value in _section(raw, "map", FIELDS).items()}
        constants = dict(_section(raw, "constants", FIELDS))
        if not {"text", "title"} & paths.keys():
            raise SettingError("map.text is missing: it names where the text stands")
        if "published_at" not in paths.keys() | constants.keys():
            raise SettingError("map.published_at is missing: it names where the date stands")
        formats = dict(_section(raw, "formats", {*_DATES, "zone"}))
        zone = _zone(formats.pop("zone", None))
        return cls(
            paths=paths,
            formats={name: _formats(value, f"formats.{name}") for name, value in formats.items()},
            zone=zone,
            values=_values(_section(raw, "values", FIELDS)),
            constants=constants,
            split=_string(raw.get("split", ""), "split"),
            delimiter=_delimiter(_section(raw, "csv", {"delimiter"}).get("delimiter", ",")),
        )

    def elements(self, value: object) -> list[tuple[object, object]]:
        """The records in ``value`` with the object that holds them: ``value`` itself, or the list that ``split`` names.

        Raises:
            Refused: there is no list at ``split``.
        """
        if not self.split:
            return [(value, None)]
        found = _look_up(value, self.split)
        if not isinstance(found, list):
            raise Refused(f"there is no list at {self.split}")
        return [(element, value) for element in found]

    def apply(self, record: object, holder: object = None) -> dict[str, object]:
        """The fields of the one item that ``record`` (inside ``holder``) describes, ready for the door.

        Raises:
            Refused: it is no object, or a date cannot be read.
        """
        if not isinstance(record, Mapping):
            raise Refused("not an object with fields")
        fields = dict(self.constants)
        for name, paths in self.paths.items():
            found = _first((record, holder), paths)
            if not is_missing(found):
                fields[name] = self._translate(name, found)
        return fields

    def _translate(self, name: str, value: object) -> object:
        words = self.values.get(name)
        if words is not None and isinstance(value, (str, int)):
            return words.get(str(value), value)
        return self._date(name, value) if name in _DATES else value

    def _date(self, name: str, value: object) -> datetime:
        for pattern in self.formats.get(name, ("iso",)):
            parsed = _parse(value, pattern)
            if parsed is not None:
                return parsed if parsed.tzinfo or not self.zone else parsed.replace(tzinfo=self.zone)
        tried = " or ".join(self.formats.get(name, ("iso",)))
        hint = "" if name in self.formats else "; [formats] of the map can name another form, as %d.%m.%Y %H:%M"
        raise Refused(f"{name} {str(value)[:40]!r} does not read as {tried}{hint}", name)


def _parse(value: object, pattern: str) -> datetime | None:
    try:
        if pattern in _EPOCHS:
            return datetime.fromtimestamp(float(str(value)) * _EPOCHS[pattern], tz=UTC)
        text = str(value).strip()
        # A format without %z is meant to give a naive date: the layout's zone, or else the door, decides.
        return parse_date(text) if pattern == "iso" else datetime.strptime(text, pattern)  # noqa: DTZ007
    except (Refused, ValueError, OverflowError, OSError):
        return None


def _first(holders: tuple[object, ...], paths: tuple[str, ...]) -> object:
    for path in paths:
        for holder in holders:
            found = _look_up(holder, path)
            if not is_missing(found):
                return found
    return None


def _look_up(value: object, path: str) -> object:
    """What stands at ``path``; a key that itself holds dots is found too."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    if isinstance(value, Mapping):
        value = value.get(head)
    elif isinstance(value, list) and head.isdecimal() and len(head) < 6:
        value = value[int(head)] if int(head) < len(value) else None
    else:
        return None
    return _look_up(value, rest) if dot else value


def _section(raw: Mapping[str, object], name: str, keys: frozenset[str] | set[str]) -> Mapping[str, object]:
    section = raw.get(name, {})
    if not isinstance(section, Mapping):
        raise SettingError(f"{name} is not a table: write [{name}]")
    for key in section.keys() - keys:
        raise SettingError(f"{name}.{key} is unknown; there are {', '.join(sorted(keys))}")
    return section


def _string(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise SettingError(f"{key} is not text")
    return value


def _strings(value: object, key: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) and one for one in values):
        raise SettingError(f"{key} is neither text nor a list of texts")
    return tuple(values)


def _formats(value: object, key: str) -> tuple[str, ...]:
    patterns = _strings(value, key)
    for pattern in patterns:
        if "%" not in pattern and pattern != "iso" and pattern not in _EPOCHS:
            raise SettingError(f'{key} = "{pattern}" is neither a format of strptime nor "iso", "epoch s", "epoch ms"')
    return patterns


def _zone(value: object) -> tzinfo | None:
    if value is None:
        return None
    try:
        return ZoneInfo(_string(value, "formats.zone"))
    except (ValueError, OSError, KeyError):
        raise SettingError(f'formats.zone = "{value}" is no time zone; write one such as "Europe/London"') from None


def _values(section: Mapping[str, object]) -> dict[str, dict[str, str]]:
    return {
        name: {
            word: _string(ours, f"values.{name}.{word}") for word, ours in _section(section, name, _any(words)).items()
        }
        for name, words in section.items()
    }


def _any(words: object) -> set[str]:
    return set(words) if isinstance(words, Mapping) else set()


def _delimiter(value: object) -> str:
    delimiter = _string(value, "csv.delimiter")
    if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
        raise SettingError("csv.delimiter is not one character other than a quote")
    return delimiter
