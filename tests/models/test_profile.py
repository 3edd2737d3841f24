"""Profiles and their versions."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from voxpop.errors import ModelError
from voxpop.models.profile import Profile, RiskWeights, read_profile, shipped


@pytest.fixture
def profile() -> Profile:
    return read_profile("english")


ENCODERS = {"all-MiniLM-L6-v2": "ab" * 32}


def test_the_version_is_the_name_and_a_hash_of_what_decides_a_result(profile: Profile) -> None:
    version = profile.version(ENCODERS, "torch.bfloat16")
    assert version == read_profile("english").version(ENCODERS, "torch.bfloat16")
    assert version.startswith("english-")
    topic = profile.topic
    others = [
        profile.version(ENCODERS, "torch.float32"),
        profile.version({"all-MiniLM-L6-v2": "cd" * 32}, "torch.bfloat16"),
        msgspec.structs.replace(profile, risks=RiskWeights(bias=-9.0)).version(ENCODERS, "torch.bfloat16"),
        *(
            msgspec.structs.replace(profile, topic=changed).version(ENCODERS, "torch.bfloat16")
            for changed in (
                msgspec.structs.replace(topic, labels=topic.labels[::-1]),
                msgspec.structs.replace(topic, max_tokens=64),
                msgspec.structs.replace(topic, sha256={**topic.sha256, "head.safetensors": "0" * 64}),
            )
        ),
    ]
    assert len({version, *others}) == 7


def test_the_bundled_profile_lists_twenty_topics_in_order(profile: Profile) -> None:
    assert "bundled" in shipped()
    assert len(profile.topic.labels) == 20
    assert list(profile.topic.labels) == sorted(profile.topic.labels)
    assert profile.topic.adapter.is_dir()
    assert profile.languages == {"en"}


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no model profile 'bundeld'; shipped are .*bundled"):
        read_profile("bundeld")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("name =", "name", "malformed"),
        ("max_tokens = 128", "max_tokens = 4000", "takes 8 to 512"),
        ('"negative"', '"bad"', "negative, neutral, positive"),
        ("max_tokens = 128", "", "malformed: .*max_tokens"),
        ("dtype =", "remote_code = true\ndtype =", "malformed: .*remote_code"),
        ('"head.safetensors"', '"head.bin"', "head.safetensors"),
    ],
)
def test_a_malformed_profile_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    from voxpop.models.profile import SHIPPED

    path = tmp_path / "mine.toml"
    path.write_text((SHIPPED / "english.toml").read_text("utf-8").replace(before, after), encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        read_profile(str(path))
