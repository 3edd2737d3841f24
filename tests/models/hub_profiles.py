"""Profiles of tiny checkpoints that lie in folders beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.models.checkpoints import INFERENCES, SENTIMENTS, make
from voxpop import models
from voxpop.errors import ModelError

TOPICS = ("Earnings", "Fed / Central Banks", "Macro")
TABLE = """name = "{name}"
languages = ["en", "zh"]
dtype = "{dtype}"
[topic]
{topic}
max_tokens = 96
labels = ["Earnings", "Fed / Central Banks", "Macro"]
[sentiment]
checkpoint = "./sentiment"
max_tokens = 48
labels = ["positive", "negative", "neutral"]
[nli]
checkpoint = "./nli"
max_tokens = 96
labels = ["contradiction", "neutral", "entailment"]
[qa]
checkpoint = "./qa"
max_tokens = 64
labels = ["first", "last"]
threshold = -1000.0
"""
HYPOTHESES = 'hypotheses = ["it is about profit", "it is about the bank", "it is about euro"]'
OWN_TOPICS = 'checkpoint = "./topic"'


def stated(folder: Path, topic: str = OWN_TOPICS, dtype: str = "float32") -> str:
    """Writes the profile of the checkpoints in ``folder``; returns its path."""
    path = folder / "tiny.toml"
    path.write_text(TABLE.format(name="tiny", topic=topic, dtype=dtype), encoding="utf-8")
    return str(path)


def make_all(folder: Path, kind: str, **shape: Any) -> Path:
    """Writes into ``folder`` a checkpoint of this architecture for each task."""
    names = ("Fed | Central Banks", "Earnings", "Macro")  # in another order than the profile's: the names decide
    make(folder / "topic", kind, "SequenceClassification", names, seed=1, **shape)
    make(folder / "sentiment", kind, "SequenceClassification", SENTIMENTS, seed=2, **shape)
    make(folder / "nli", kind, "SequenceClassification", [name.upper() for name in INFERENCES], seed=3, **shape)
    make(folder / "qa", kind, "QuestionAnswering", seed=4, **shape)
    return folder


def refused(folder: Path, said: str, table: str | None = None) -> None:
    """Loading the profile at ``table``, or that of ``folder``, fails and says so in one line."""
    path = table or stated(folder)
    with pytest.raises(ModelError, match=said) as caught:
        models.load(path)
    assert "\n" not in str(caught.value)
