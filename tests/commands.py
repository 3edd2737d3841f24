"""Commands within this process, on a database of the test's own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from typer.testing import CliRunner, Result

from voxpop import cli

Run = Callable[..., Result]

for module in pkgutil.iter_modules(cli.__path__):
    importlib.import_module(f"voxpop.cli.{module.name}")  # its commands register themselves


def on(database_url: str) -> Run:
    """What runs a command on that database: ``run(*words, code=exit code expected, **environment)``."""
    environ = {"VOXPOP_DATABASE_URL": database_url.replace("+psycopg", ""), "COLUMNS": "200"}

    def run(*words: str, code: int = 0, **extra: str) -> Result:
        done = CliRunner().invoke(cli.app, list(words), env={**environ, **extra})
        assert done.exit_code == code, done.output
        return done

    return run
