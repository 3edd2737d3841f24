"""What the tests of the deployment share: its files, and programs that may be absent."""

from __future__ import annotations

import importlib.util
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def program(name: str) -> str:
    """The path of a program. Where it is absent the test is skipped, and fails where ``CI`` is set."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/go/bin")
    if found is None:
        message = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def needs_airflow() -> None:
    """Skips the test where Airflow is not installed; it is not imported here, which takes seconds."""
    if importlib.util.find_spec("airflow") is None:
        pytest.skip("Airflow is not installed: pip install 'voxpop[airflow]'")


def read(path: str) -> Any:
    """A YAML file of the project."""
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def script(name: str) -> dict[str, Any]:
    """The functions of a script in ``deploy/``."""
    return runpy.run_path(str(ROOT / "deploy" / name))
