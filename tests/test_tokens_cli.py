"""Tokens by command: shown once, listed without their secret, ended, and all of it in the trail."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from voxpop.cli import app
from voxpop.cli import tokens as _commands  # noqa: F401 - which registers itself

Run = Callable[..., Result]


@pytest.fixture
def voxpop(engine: Engine) -> Run:
    """Runs a command on the test's own database, within this process."""
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")

    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, list(arguments), env={"VOXPOP_DATABASE_URL": url, "COLUMNS": "200"})
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_token_is_made_listed_and_ended(voxpop: Run) -> None:
    made = json.loads(voxpop("tokens", "create", "risk notebook", "--role", "analyst", "--json").stdout)
    assert made["token"].startswith("vxp_")
    assert made["expires_at"]
    plain = voxpop("tokens", "create", "[b]other", "--days", "0").stdout
    assert plain.splitlines()[-1].startswith("vxp_")
    assert "[b]other, viewer, expires never" in plain
    listed = voxpop("tokens", "list", "--json").stdout
    assert [(t["name"], t["role"]) for t in json.loads(listed)] == [
        ("risk notebook", "analyst"),
        ("[b]other", "viewer"),
    ]
    assert made["token"] not in listed + voxpop("tokens", "list").stdout
    voxpop("tokens", "revoke", made["id"])
    assert "no token" in voxpop("tokens", "revoke", made["id"], code=1).stderr
    trail = json.loads(voxpop("audit", "--json").stdout)
    assert [row["what"] for row in trail] == ["token revoked", "token created", "token created"]
    assert made["token"] not in voxpop("audit").stdout


def test_what_cannot_be_made_is_said(voxpop: Run) -> None:
    assert "viewer, analyst, admin" in voxpop("tokens", "create", "x", "--role", "owner", code=1).stderr
    assert "printable" in voxpop("tokens", "create", " ", code=1).stderr
