"""Pulling a profile's checkpoints from the Hugging Face hub: a commit, safetensors and text only, a hash for each file.

This is the only part of Voxpop that talks to the hub, and it does so only when it is asked to.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from voxpop.errors import ModelError
from voxpop.models.checkpoint import sha256_of
from voxpop.models.hub_lock import Lock, Locked, allowed, folder_of, write_lock
from voxpop.models.hub_profile import HubProfile

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZERS = ({"tokenizer.json"}, {"vocab.txt"}, {"vocab.json", "merges.txt"})
"""Any of these sets of files makes a fast tokenizer."""

Told = Callable[[str, str, str], None]
"""Is told the repository, the commit and the file that is fetched next."""


def pull(profile: HubProfile, home: Path, *, endpoint: str | None = None, told: Told | None = None) -> Lock:
    """Fetches what a profile names, and writes its lock file when all of it is there.

    Args:
        profile: what to fetch; a revision that it leaves empty is taken from ``main``.
        home: the home folder.
        endpoint: URL of the hub; None: ``HF_ENDPOINT``, or the public one.
        told: is told of each file.

    Raises:
        ModelError: the hub cannot be reached, or a checkpoint is not there or not of the kind that is read.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    # The error of the HTTP library beneath, which differs between versions of the hub's client.
    http_error: type[Exception] = HfHubHTTPError.__bases__[0]
    api = HfApi(endpoint=endpoint)
    locked = []
    for name, revision in profile.repositories.items():
        try:
            locked.append(_fetch(api, name, revision or "main", home, told or _silent))
        except ModelError:
            raise
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", "?")
            raise ModelError(f"The hub refuses {name} at {revision or 'main'}: status {status}.") from error
        except (http_error, OSError, ValueError) as error:
            raise ModelError(f"{name} cannot be fetched from {api.endpoint}: {_line(error)}") from error
    lock = Lock(profile.name, tuple(locked))
    write_lock(home, lock)
    return lock


def _fetch(api: HfApi, name: str, revision: str, home: Path, told: Told) -> Locked:
    info = api.model_info(name, revision=revision, files_metadata=True)
    commit = info.sha or ""
    if len(commit) != 40:
        raise ModelError(f"The hub names no commit for {name} at {revision}.")
    files = wanted(name, info)
    folder = folder_of(home, name, commit)
    _check_disk(name, home, sum(file.size or 0 for file in files.values()))
    for file, of_hub in files.items():
        told(name, commit, file)
        api.hf_hub_download(name, file, revision=commit, local_dir=folder)
        if not _same(folder / file, of_hub):  # changed here since an earlier pull, which the hub's client may not see
            api.hf_hub_download(name, file, revision=commit, local_dir=folder, force_download=True)
        if not _same(folder / file, of_hub):
            (folder / file).unlink()
            raise ModelError(f"{file} of {name} was not received as the hub holds it; pull once more.")
    _check_config(name, folder)
    return Locked(name, commit, {file: sha256_of(folder / file) for file in files})


def wanted(name: str, info: ModelInfo) -> Mapping[str, RepoSibling]:
    """The files to fetch, by name: one set of safetensors, the configuration and the tokenizer.

    Raises:
        ModelError: there are no safetensors, no configuration or no tokenizer that is read.
    """
    there = {file.rfilename: file for file in info.siblings or () if allowed(file.rfilename)}
    if SINGLE not in there and INDEX not in there:
        raise ModelError(f"The checkpoint {name} has no safetensors; pickled weights are never read.")
    if "config.json" not in there:
        raise ModelError(f"The checkpoint {name} has no config.json.")
    if not any(files <= there.keys() for files in TOKENIZERS):
        raise ModelError(f"The checkpoint {name} has no tokenizer that is read: tokenizer.json, or a vocabulary.")
    if SINGLE in there:
        return {file: of for file, of in there.items() if not file.startswith(("model-", INDEX))}
    return there


def _check_config(name: str, folder: Path) -> None:
    for file in ("config.json", "tokenizer_config.json"):
        path = folder / file
        if path.exists() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise ModelError(f"The checkpoint {name} asks for code of its own ({file}), which is never run.")


def _check_disk(name: str, home: Path, size: int) -> None:
    parent = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(parent).free
    if size > free:
        raise ModelError(f"{name} takes {size / 2**30:.1f} GiB, but {home} has {free / 2**30:.1f} GiB left.")


def _same(path: Path, of_hub: RepoSibling) -> bool:
    """Whether a file has the hash that the hub gives: SHA-256 of a large one, git's of a small one."""
    if of_hub.lfs:
        return of_hub.lfs.sha256 == sha256_of(path)
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return of_hub.blob_id in (None, blob)


def _silent(name: str, commit: str, file: str) -> None:
    """Tells nobody."""


def _line(error: Exception) -> str:
    """The first line of an error, as the end of a sentence."""
    said = str(error).strip().splitlines()
    return f"{said[0].rstrip('.') if said else type(error).__name__}."
