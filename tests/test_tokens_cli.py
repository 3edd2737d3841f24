"""Tokens and sessions by command: shown once, listed without their secret, ended, and all of it in the trail."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from voxpop.cli import app
from voxpop.cli import tokens as _commands  # noqa: F401 - which registers itself
from voxpop.store import access

ADMIN = "a-token-of-thirty-two-characters"

Run = Callable[..., Result]


@pytest.fixture
def voxpop(engine: Engine) -> Run:
    """Runs a command on the test's own database, within this process."""
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")

    environment = {"VOXPOP_DATABASE_URL": url, "VOXPOP_ADMIN_TOKEN": ADMIN}

    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, list(arguments), env={**environment, "COLUMNS": "200"})
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


def test_a_person_is_signed_out_of_every_browser(voxpop: Run, engine: Engine) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    with engine.begin() as connection:
        jane = access.sign_in(connection, "https://id.example", "1", "[b]jane", "analyst", now)
        secrets = [access.begin_session(connection, now, day, user_id=jane) for _ in range(2)]
        other = access.begin_session(connection, now, day, token_hash=access.hashed(ADMIN))
    listed = json.loads(voxpop("sessions", "list", "--json").stdout)
    assert sorted((s["name"], s["role"], s["how"]) for s in listed) == [
        ("[b]jane", "analyst", "provider"),
        ("[b]jane", "analyst", "provider"),
        ("administrator", "admin", "token"),
    ]
    shown = voxpop("sessions", "list").stdout
    assert "[b]jane" in shown
    assert not any(secret in shown for secret in secrets)
    assert "2 sessions of [b]jane ended" in voxpop("sessions", "end", "[b]jane").stdout
    with engine.connect() as connection:
        assert [access.session_of(connection, secret, now) for secret in secrets] == [None, None]
        assert access.session_of(connection, other, now) is not None
    assert "nobody called" in voxpop("sessions", "end", "[b]jane", code=1).stderr
    (row,) = json.loads(voxpop("audit", "--json").stdout)
    assert (row["what"], row["about"], row["details"]["sessions"]) == ("sessions ended", f"user:{jane}", 2)
    assert row["person"] == f"shell:{row['who']}"
