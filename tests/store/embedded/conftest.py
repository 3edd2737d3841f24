"""Homes for the embedded PostgreSQL, on a disk that is quick to empty, and the accounts that use it.

As root every important test runs twice: as root, and as an ordinary user of this machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from tests.store.embedded.users import ME, ROOT, Account, Homes, gone, ordinary, spacious, until


@pytest.fixture(params=["me", "ordinary"] if ROOT else ["me"])
def account(request: pytest.FixtureRequest) -> Account:
    return ME if request.param == "me" else ordinary()


@pytest.fixture(scope="package")
def homes() -> Iterator[Homes]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("looks for processes in /proc")
    made = []

    def make(account: Account = ME) -> Path:
        home = Path(tempfile.mkdtemp(prefix="voxpop-server-", dir=spacious()))
        os.chown(home, account.uid, account.gid)
        home.chmod(0o755)
        made.append(home)
        return home

    yield make
    for home in made:
        if home.exists():
            until(partial(gone, home))
            shutil.rmtree(home)


@pytest.fixture(scope="package")
def shared_home(homes: Homes) -> Callable[[Account], Path]:
    """A home for each account whose cluster several tests use in turn."""
    return cache(homes)
