"""Profiles of public checkpoints: those that ship, and malformed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.hub_profiles import OWN_TOPICS, refused, stated
from voxpop.models import profile as adapters
from voxpop.models.hub_profile import read_any


def test_the_shipped_profiles_are_whole() -> None:
    known = adapters.read_profile("english").topic.labels
    for name in ("hub-en", "hub-multilingual"):
        profile = read_any(name)
        assert set(profile.topic.labels) == set(known)
        assert list(profile.tasks) == ["topic", "sentiment", "nli", "qa"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"./sentiment"', '"sentiment"', "names no checkpoint for sentiment"),
        ('"./sentiment"', '"a/b"\nrevision = "main"', "40 hexadecimal digits"),
        ('"./sentiment"', '"./sentiment"\nrevision = "main"', "gives a revision of a folder"),
        ('"neutral"]\n[nli', '"neutral", "joy"]\n[nli', "labels of sentiment as negative, neutral, positive"),
        ('"Macro"]', '"Earnings"]', "two or more labels of topic, each once"),
        ("max_tokens = 48", "max_tokens = 4000", "wants 4000 tokens for sentiment"),
        (OWN_TOPICS, 'hypotheses = ["it"]', "one hypothesis for each topic"),
        ('name = "tiny"', 'name = "../tiny"', "name of letters"),
        ("threshold", "trust_remote_code = true\nthreshold", "malformed: .*trust_remote_code"),
        ('["first", "last"]', '["last", "first"]', "labels of qa as first, last"),
    ],
)
def test_a_malformed_profile_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = Path(stated(tmp_path))
    assert before in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(before, after), encoding="utf-8")
    refused(tmp_path, said, str(path))
