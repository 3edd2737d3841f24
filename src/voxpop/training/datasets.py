"""Labelled sets as they lie on disk (JSON lines, gzip or not), made into examples and split by text.

A sentiment row is one of three kinds, told apart by its fields:

    {"text", "label"}                                        the document as a whole
    {"text", "entities": {name: label}, "label"}             towards each named entity, and as a whole
    {"text", "spans": [{"start", "end", "entity", "label"}]} towards each entity at these places

A row of ``finance_zh`` has entities, topic, events and claims at once, the last two about its main entity, which
:func:`main_entity` finds; every task takes its part.

A topic row is {"text", "label"}. Texts pass through the same cleaning as the documents that will be read.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from voxpop.errors import SettingError
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.profile import MAX_TOKENS, Task
from voxpop.models.questions import QUESTIONS, ask
from voxpop.records import digest
from voxpop.text.clean import clean
from voxpop.training.statements import event_inferences, inferences

Split = Literal["train", "validation", "test"]
Row = Mapping[str, Any]

VALIDATION_PERCENT, TEST_PERCENT = 7, 10
_REPEAT_WORDS = 8
_HAN = re.compile("[\u4e00-\u9fff]")
_TEXTS = ("text", "premise", "context")


class Example(NamedTuple):
    """A text, what is asked about in it (no spans: the whole), the answer, and the set it comes from.

    Of inference, ``text`` is the premise and ``second`` the hypothesis. Of question answering, ``second`` is the
    question and ``spans`` are the accepted answers; none: the text does not answer it.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    label: str
    source: str
    second: str = ""


def read_rows(path: Path) -> Iterator[Row]:
    """The JSON objects of a file, a line each.

    Raises:
        SettingError: the file is missing, or a line is not a JSON object with a text.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(path, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingError(f"{path} cannot be read as JSON lines: {error}") from error


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SettingError(f"{path}, line {number}, is not JSON: {error}") from error
    if not isinstance(row, dict) or not any(isinstance(row.get(field), str) for field in _TEXTS):
        raise SettingError(f"{path}, line {number}, is no object with a text")
    return row


def examples(task: Task, paths: Sequence[Path], agreed: Collection[str] = ()) -> list[Example]:
    """Every example of ``task`` in the files, in order; rows without a label are left out.

    Args:
        task: what the rows are labelled for.
        paths: the files.
        agreed: sets of which texts are left out that are good for one entity and bad for another.
    """
    make = _MAKERS[task]
    found = []
    for path in paths:
        source = path.name.split(".")[0]
        rows = (row for row in read_rows(path) if source not in agreed or not opposed(row))
        found += [example for row in rows for example in make(row, source)]
    return found


def opposed(row: Row) -> bool:
    """Whether a row is good for one entity and bad for another."""
    labels = {*row.get("entities", {}).values(), *(span["label"] for span in row.get("spans", ()))}
    return {"negative", "positive"} <= labels


def _topic_examples(row: Row, source: str) -> Iterator[Example]:
    label = row.get("label", row.get("topic"))
    if label is not None:
        yield Example(clean("", row["text"]).text, (), str(label), source)


def _sentiment_examples(row: Row, source: str) -> Iterator[Example]:
    text = clean("", row["text"]).text
    if row.get("label") is not None:
        yield Example(text, (), row["label"], source)
    if "entities" in row:
        named: Iterable[tuple[str, str]] = ((_restored(name), label) for name, label in row["entities"].items())
    elif "spans" in row:
        named = _agreed(row)
    else:
        named = _cashtag(text, row.get("label"))
    for name, label in named:
        if spans := find_spans(text, name):
            yield Example(text, spans, label, source)


def _inference_examples(row: Row, source: str) -> Iterator[Example]:
    """A row is a pair; of a document annotated with claims or labelled with events it is several."""
    lang = row.get("lang", "en")
    if "claims" in row:
        for label, hypothesis in inferences(main_entity(row), row["claims"], lang):
            yield Example(row["text"], (), label, source, hypothesis)
    if "events" in row:
        for label, hypothesis in event_inferences(row["text"], main_entity(row), row["events"], lang):
            yield Example(row["text"], (), label, source, hypothesis)
    if "premise" in row and row.get("label") is not None:
        yield Example(row["premise"], (), row["label"], source, row["hypothesis"])


def _question_examples(row: Row, source: str) -> Iterator[Example]:
    """Of a set of questions a row is one; of documents annotated with claims it is one for each kind of question."""
    if "claims" in row:
        answers = {claim["question"]: (claim["start"], claim["start"] + len(claim["text"])) for claim in row["claims"]}
        for kind in QUESTIONS:
            of_kind = (answers[kind],) if kind in answers else ()
            asked = ask(kind, main_entity(row), row.get("lang", "en"))
            yield Example(row["text"], of_kind, "", source, asked)
        return
    spans = dict.fromkeys((answer["start"], answer["start"] + len(answer["text"])) for answer in row["answers"])
    yield Example(row["context"], tuple(spans), "", source, row["question"])


def main_entity(row: Row) -> str:
    """Whom claims and events are about: ``entity``; or of several ``entities`` the one named last before the main
    claim, or first in it, or first of all."""
    if "entity" in row:
        return str(row["entity"])
    text, names = row["text"], list(row["entities"])
    main = next((claim for claim in row.get("claims", ()) if claim["question"] == "what"), None)
    if main is not None and len(names) > 1:
        start, end = main["start"], main["start"] + len(main["text"])
        opens = [name for name in names if text.startswith(name, start)]
        before = [(text.rfind(name, 0, start), name) for name in names if name in text[:start]]
        within = [(text.find(name, start, end), name) for name in names if name in text[start:end]]
        if opens or before or within:
            return str(opens[0] if opens else max(before)[1] if before else min(within)[1])
    return str(min(names, key=text.index))


def rows_of(task: str, row: Row) -> list[Row]:
    """A row of ``finance_zh`` as those that ``task`` is evaluated on; any other as it is."""
    if not {"text", "entities", "topic", "events", "claims"} <= row.keys():
        return [row]
    text, lang = row["text"], row["lang"]
    if task == "sentiment":
        return [{"text": text, "entity": name, "label": label} for name, label in row["entities"].items()]
    if task == "topic":
        return [{"text": text, "label": row["topic"]}]
    if task in ("claims", "events"):
        return [{"text": text, "entity": main_entity(row), "lang": lang, task: row[task]}]
    if task == "nli":
        made = _inference_examples(row, "")
        return [{"premise": one.text, "hypothesis": one.second, "label": one.label} for one in made]
    if task != "qa":
        return [row]
    return [
        {"context": text, "question": one.second, "answers": [{"text": text[a:b], "start": a} for a, b in one.spans]}
        for one in _question_examples(row, "")
    ]


_MAKERS = {
    "topic": _topic_examples,
    "sentiment": _sentiment_examples,
    "nli": _inference_examples,
    "qa": _question_examples,
}


def _restored(name: str) -> str:
    # SEntFiN replaced ratings by labels inside some names as well: "Frank Rusnegative", "Bajaj neutralings".
    return name.replace("negative", "sell").replace("neutral", "Hold")


def _agreed(row: Row) -> Iterator[tuple[str, str]]:
    """The entities of a row with spans whose every span bears the same label."""
    labels: dict[str, set[str]] = defaultdict(set)
    for span in row["spans"]:
        labels[row["text"][span["start"] : span["end"]]].add(span["label"])
    return ((name, found.pop()) for name, found in labels.items() if len(found) == 1)


def _cashtag(text: str, label: str | None) -> Iterator[tuple[str, str]]:
    """A post that names exactly one cashtag speaks of it."""
    tags = set(re.findall(r"(?<!\w)\$[A-Za-z]{1,6}\b", text))
    if len(tags) == 1 and label is not None:
        yield tags.pop(), label


def find_spans(text: str, name: str) -> tuple[tuple[int, int], ...]:
    """Where ``name`` stands in ``text`` as whole words, in any case; anywhere at all where it never does."""
    if not name.strip():
        return ()
    quoted = re.escape(name.strip())
    if _HAN.search(name):  # Chinese puts no blanks between words
        return tuple(m.span() for m in re.finditer(quoted, text, re.IGNORECASE))
    whole = tuple(m.span() for m in re.finditer(rf"(?<!\w){quoted}(?!\w)", text, re.IGNORECASE))
    return whole or tuple(m.span() for m in re.finditer(quoted, text, re.IGNORECASE))


def tokens_of(task: Task, rows: Sequence[Example], encoder: TextEncoder) -> list[Tokens]:
    """What the encoder sees of each row; for question answering see ``voxpop.training.answers``."""
    if task == "topic":
        return encoder.heads([row.text for row in rows], MAX_TOKENS[task])
    if task == "nli":
        return encoder.pairs([(row.text, row.second) for row in rows], MAX_TOKENS[task])
    return encoder.targets([(row.text, row.spans) for row in rows], MAX_TOKENS[task])


# --- splits ----------------------------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers without links: what two tellings of the same news share."""
    return re.findall(r"\w+", re.sub(r"https?://\S+", " ", text.lower()))


def without_repeats(rows: Sequence[Example]) -> list[Example]:
    """The first example of those with the same words, spans and source of question."""
    seen: dict[tuple[str, str, tuple[str, ...]], Example] = {}
    for row in rows:
        asked = () if row.second else tuple(row.text[start:end].lower() for start, end in row.spans)
        seen.setdefault((" ".join(words_of(row.text)), row.second.lower().strip(), asked), row)
    return list(seen.values())


def split(rows: Sequence[Example]) -> dict[Split, list[Example]]:
    """Train, validation and test, the same whenever and wherever it runs.

    Rows that share their first or last eight words (retold, shortened or extended news) lie in one split; which one
    follows from a hash of the words that name the group.
    """
    parts: dict[Split, list[Example]] = {"train": [], "validation": [], "test": []}
    for row, group in zip(rows, _groups(rows), strict=True):
        percent = int(digest(group), 16) % 100
        name: Split = "test" if percent < TEST_PERCENT else "train"
        if TEST_PERCENT <= percent < TEST_PERCENT + VALIDATION_PERCENT:
            name = "validation"
        parts[name].append(row)
    return parts


def _groups(rows: Sequence[Example]) -> list[str]:
    """The name of each row's group: the smallest key of its connected component."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    heads = []
    for row in rows:
        words = words_of(row.text)
        head = root("head " + " ".join(words[:_REPEAT_WORDS]))
        tail = root("tail " + " ".join(words[-_REPEAT_WORDS:]))
        parent[max(head, tail)] = min(head, tail)
        heads.append("head " + " ".join(words[:_REPEAT_WORDS]))
    return [root(head) for head in heads]
