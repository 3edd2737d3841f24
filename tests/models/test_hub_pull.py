"""Pulling, locking and verifying, against a hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from tests import commands
from tests.models.checkpoints import INFERENCES, SENTIMENTS, make
from tests.models.hub_server import COMMIT, Hub, serving
from voxpop import models
from voxpop.errors import ModelError
from voxpop.models.hub_lock import folder_of, lock_path, read_lock
from voxpop.models.hub_profile import HubProfile, read_any
from voxpop.models.hub_pull import pull
from voxpop.models.state import examine

TABLE = """name = "mine"
languages = ["en"]
dtype = "float32"
[topic]
hypotheses = ["it is about profit", "it is about a mill"]
max_tokens = 64
labels = ["Earnings", "Macro"]
[sentiment]
checkpoint = "some/feeling"
revision = ""
max_tokens = 48
labels = ["positive", "negative", "neutral"]
[nli]
checkpoint = "some/logic"
revision = "0123456789abcdef0123456789abcdef01234567"
max_tokens = 64
labels = ["contradiction", "neutral", "entailment"]
"""


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    make(folder / "feeling", "Roberta", "SequenceClassification", SENTIMENTS)
    make(folder / "logic", "Bert", "SequenceClassification", INFERENCES)
    for name in ("feeling", "logic"):
        (folder / name / "pytorch_model.bin").write_bytes(b"a pickle, perhaps")
        (folder / name / "own.py").write_text("raise SystemExit", encoding="utf-8")
        (folder / name / "README.md").write_text("a card", encoding="utf-8")
    return folder


@pytest.fixture
def hub(originals: Path, tmp_path: Path) -> Iterator[Hub]:
    copies = {name: Path(shutil.copytree(originals / name, tmp_path / "hub" / name)) for name in ("feeling", "logic")}
    with serving(Hub({f"some/{name}": folder for name, folder in copies.items()})) as served:
        yield served


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(TABLE, encoding="utf-8")
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def stated(path: str) -> HubProfile:
    profile = read_any(path)
    assert isinstance(profile, HubProfile)
    return profile


def test_what_is_pulled_is_locked_and_loads_without_the_hub(hub: Hub, path: str, home: Path) -> None:
    told: list[tuple[str, ...]] = []
    lock = pull(stated(path), home, endpoint=hub.url, told=lambda *what: told.append(what))
    assert [(locked.name, locked.commit) for locked in lock.checkpoint] == [
        ("some/feeling", COMMIT),
        ("some/logic", COMMIT),
    ]
    assert read_lock(home, "mine") == lock
    assert set(hub.asked) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert [file for _, _, file in told] == hub.asked
    folder = folder_of(home, "some/feeling", COMMIT)
    assert {file.name for file in folder.iterdir() if file.is_file()} == set(hub.asked)
    for file in lock.checkpoint[0].sha256:
        assert (folder / file).read_bytes() == (hub.repositories["some/feeling"] / file).read_bytes()
    asked = len(hub.asked)
    reader = models.load(path, home=home)
    assert reader.topics(["Calder fell"]).shape == (1, 2)
    assert len(hub.asked) == asked
    said, files = examine(path, home)
    assert (said, len(files)) == ("", 8)


def test_a_pulled_checkpoint_is_read_as_its_original(hub: Hub, path: str, home: Path, tmp_path: Path) -> None:
    pull(stated(path), home, endpoint=hub.url)
    table = TABLE.replace('"some/', f'"{tmp_path}/hub/').replace(f'revision = "{COMMIT}"\n', "")
    (tmp_path / "local.toml").write_text(table, encoding="utf-8")
    texts = [("Calder fell after its auditor resigned", ()), ("Nordhafen rose", ())]
    pulled, local = models.load(path, home=home), models.load(str(tmp_path / "local.toml"), home=home)
    assert np.array_equal(pulled.sentiment(texts), local.sentiment(texts))


def refused(path: str, home: Path, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        models.load(path, home=home)
    assert "\n" not in str(caught.value)


def test_nothing_is_loaded_that_was_not_pulled(path: str, home: Path) -> None:
    refused(path, home, r"some/feeling was not pulled: `voxpop models pull mine` fetches it\.")
    assert "was not pulled" in examine(path, home)[0]
    assert not home.exists()


def test_another_commit_than_the_profiles(hub: Hub, path: str, home: Path) -> None:
    pull(stated(path), home, endpoint=hub.url)
    Path(path).write_text(TABLE.replace(COMMIT, "f" * 40), encoding="utf-8")
    refused(path, home, f"was pulled at commit {COMMIT}, but its profile names {'f' * 40}")


def test_a_changed_file_and_a_missing_one_are_named_in_one_sentence(hub: Hub, path: str, home: Path) -> None:
    pull(stated(path), home, endpoint=hub.url)
    folder = folder_of(home, "some/logic", COMMIT)
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    (folder / "tokenizer.json").unlink()
    sentence = "model.safetensors is not the file that was pulled, tokenizer.json is missing or cannot be read"
    refused(path, home, f"some/logic .*{sentence}")
    said, files = examine(path, home)
    assert "of some/logic, model.safetensors is not the file that was pulled" in said
    assert [file.file for file in files if file.fault] == ["model.safetensors", "tokenizer.json"]
    pull(stated(path), home, endpoint=hub.url)  # mends both
    assert examine(path, home)[0] == ""


def test_a_lock_file_that_is_none(hub: Hub, path: str, home: Path) -> None:
    pull(stated(path), home, endpoint=hub.url)
    lock = lock_path(home, "mine")
    written = lock.read_text("utf-8")
    lock.write_text(written.replace("commit", "comit"), encoding="utf-8")
    refused(path, home, "lock file .* is malformed")
    lock.write_text(written.replace('"config.json"', '"../../x.py"'), encoding="utf-8")
    refused(path, home, "names a file that is never read")


def pull_refused(hub: Hub, path: str, home: Path, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        pull(stated(path), home, endpoint=hub.url)
    assert "\n" not in str(caught.value)
    assert read_lock(home, "mine") is None


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("model.safetensors", "some/feeling has no safetensors; pickled weights are never read"),
        ("config.json", r"some/feeling has no config\.json"),
        ("tokenizer.json", "some/feeling has no tokenizer that is read"),
    ],
)
def test_a_checkpoint_without_what_is_read(hub: Hub, path: str, home: Path, file: str, said: str) -> None:
    (hub.repositories["some/feeling"] / file).unlink()
    pull_refused(hub, path, home, said)
    assert hub.asked == []


def test_a_checkpoint_with_code(hub: Hub, path: str, home: Path) -> None:
    config = hub.repositories["some/feeling"] / "config.json"
    own: dict[str, Any] = {"auto_map": {"AutoModel": "own.Model"}}
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | own), encoding="utf-8")
    pull_refused(hub, path, home, r"asks for code of its own \(config\.json\)")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_arrives_damaged(hub: Hub, path: str, home: Path, file: str) -> None:
    hub.damaged = {file}
    pull_refused(hub, path, home, f"{file} of some/feeling was not received as the hub holds it")
    hub.damaged = set()
    pull(stated(path), home, endpoint=hub.url)
    assert examine(path, home)[0] == ""


def test_a_repository_that_the_hub_does_not_have(hub: Hub, path: str, home: Path) -> None:
    del hub.repositories["some/logic"]
    pull_refused(hub, path, home, f"The hub refuses some/logic at {COMMIT}: status 404")


def test_no_network(path: str, home: Path) -> None:
    with socket.socket() as closed:  # bound and not listening: nobody answers here, and nobody else takes the port
        closed.bind(("127.0.0.1", 0))
        nobody = Hub({})
        nobody.url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        pull_refused(nobody, path, home, "some/feeling cannot be fetched from http://127.0.0.1:.*refused")


# --- the commands ----------------------------------------------------------------------------------------------------


def run(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("VOXPOP_", "HF_"))}
    own |= {"VOXPOP_HOME": str(home), **environ}
    command = [sys.executable, "-m", "voxpop", "models", *words]
    return subprocess.run(command, capture_output=True, text=True, env=own, timeout=120)


def again(home: Path, *words: str, code: int = 0) -> Result:
    """The same within this process, where the hub and the width of a line are what they were when it began."""
    return commands.on("")("models", *words, code=code, VOXPOP_HOME=str(home))


def test_the_commands_from_nothing_to_verified(hub: Hub, path: str, home: Path) -> None:
    before = again(home, "verify", path, code=1)
    assert before.stderr.strip().endswith("was not pulled: `voxpop models pull mine` fetches it.")
    pulled = run(home, "pull", path, "--json", HF_ENDPOINT=hub.url)
    assert pulled.returncode == 0, pulled.stderr
    assert [one["commit"] for one in json.loads(pulled.stdout)["checkpoints"]] == [COMMIT, COMMIT]
    shown = json.loads(again(home, "show", path, "--json").stdout)
    assert shown["tasks"]["sentiment"] | {"labels": []} == {
        "labels": [],
        "max_tokens": 48,
        "revision": "",
        "pulled": COMMIT,
        "weights": "some/feeling",
    }
    assert json.loads(again(home, "verify", path, "--json").stdout)["ok"] is True


def test_a_pull_that_fails_says_so_in_one_line(path: str, home: Path) -> None:
    done = run(home, "pull", path, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "some/feeling cannot be fetched from http://127.0.0.1:9" in done.stderr


def test_the_list_says_what_is_there(home: Path) -> None:
    rows = {row["profile"]: row for row in json.loads(again(home, "list", "--json").stdout)}
    assert rows["bundled"]["there"] is True
    assert rows["hub-en"] == {
        "profile": "hub-en",
        "languages": ["en"],
        "tasks": ["topic", "sentiment", "nli", "qa"],
        "kind": "public checkpoints",
        "there": False,
    }
    assert "voxpop models pull hub-en" in " ".join(run(home, "list", COLUMNS="200").stdout.split())
    again(home, "verify", "bundled")
    assert "nothing to fetch" in again(home, "pull", "bundled").stdout
