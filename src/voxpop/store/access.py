"""Who may: people, tokens, sessions, and the trail of what they changed.

Of a secret only its SHA-256 is stored. That is enough, for a secret is made here of 256 random bits and guessed by
nobody; what people think of themselves, such as passwords, is left to the provider that signs them in.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Identity, Index, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from voxpop.records import digest
from voxpop.store.tables import UTC_TIME, metadata

users = Table(
    "users",
    metadata,
    Column("user_id", Text, primary_key=True, comment="hash of issuer and subject"),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Column("signed_in_at", UTC_TIME, nullable=False),
    comment="People whom an identity provider vouched for, with the role that it gave them last.",
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("token_id", Text, nullable=False, unique=True, comment="names it in lists; no secret"),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("who", Text, nullable=False, comment="made it"),
    Column("received_at", UTC_TIME, nullable=False),
    Column("expires_at", UTC_TIME),
    Column("used_at", UTC_TIME, comment="to the minute"),
    Column("revoked_at", UTC_TIME),
    comment="Tokens of programs. The token itself is shown once and stored nowhere.",
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_hash", Text, primary_key=True),
    Column("csrf", Text, nullable=False, comment="what a form must send back"),
    Column("user_id", Text),
    Column("token_hash", Text, comment="of the token that was signed in with; ends with it"),
    Column("received_at", UTC_TIME, nullable=False),
    Column("expires_at", UTC_TIME, nullable=False),
    Index("ix_sessions_expires_at", "expires_at"),
    comment="Browsers that are signed in, by a person or by a token.",
)

audit_trail = Table(
    "audit",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("at", UTC_TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Index("ix_audit_about", "about"),
    comment="Every change that somebody made; a trigger refuses to change or delete a row.",
)

_USED_EVERY = timedelta(minutes=1)
"""A token's last use is written at most so often, so that reads do not write."""

TOKEN_PREFIX = "vxp_"  # noqa: S105 - by which a leaked token is recognised


def hashed(secret: str) -> str:
    """Hexadecimal SHA-256 of a secret."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def audit(connection: Connection, who: str, what: str, about: str, details: Mapping[str, Any] | None = None) -> None:
    """Adds a row to the trail, in the caller's transaction: the change and its row are there both or not at all.

    Args:
        who: the caller's name.
        what: what was done, as a word or two such as "token created".
        about: the id of what it was done to.
        details: JSON, without secrets.
    """
    row = {"who": who, "what": what, "about": about, "details": dict(details or {})}
    connection.execute(audit_trail.insert().values(**row))


class Audited(NamedTuple):
    """A row of the trail."""

    number: int
    at: datetime
    who: str
    what: str
    about: str
    details: dict[str, Any]


def audited(connection: Connection, *, before: int | None = None, limit: int = 100) -> list[Audited]:
    """The last rows of the trail, newest first; those numbered below ``before`` where it is given."""
    t = audit_trail.c
    rows = select(audit_trail).order_by(t.number.desc()).limit(limit)
    found = connection.execute(rows if before is None else rows.where(t.number < before))
    return [Audited(*row) for row in found]


# ------------------------------------------------------------------------------------------------ tokens


class Token(NamedTuple):
    """A token as it is listed."""

    id: str
    name: str
    role: str
    who: str
    received_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


def create_token(
    connection: Connection, name: str, role: str, who: str, now: datetime, expires_at: datetime | None = None
) -> tuple[str, str]:
    """Makes a token; returns its id and the token itself, which cannot be had again."""
    key, secret = secrets.token_hex(4), TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = {"token_hash": hashed(secret), "token_id": key, "name": name, "role": role, "who": who}
    connection.execute(api_tokens.insert().values(**row, received_at=now, expires_at=expires_at))
    expires = expires_at.isoformat() if expires_at else None
    audit(connection, who, "token created", key, {"name": name, "role": role, "expires_at": expires})
    return key, secret


def list_tokens(connection: Connection) -> list[Token]:
    """All that were ever made, the oldest first."""
    t = api_tokens.c
    columns = (t.token_id, *(t[name] for name in Token._fields[1:]))
    rows = connection.execute(select(*columns).order_by(t.received_at, t.token_id))
    return [Token(*row) for row in rows]


def revoke_token(connection: Connection, key: str, who: str, now: datetime) -> bool:
    """Ends a token, and whoever is signed in with it, at once; False where there is none of this id to end."""
    t = api_tokens
    ended = connection.execute(
        t.update().where(t.c.token_id == key, t.c.revoked_at.is_(None)).values(revoked_at=now).returning(t.c.token_hash)
    ).scalar_one_or_none()
    if ended is None:
        return False
    connection.execute(sessions.delete().where(sessions.c.token_hash == ended))
    audit(connection, who, "token revoked", key)
    return True


class Known(NamedTuple):
    """Whom a secret stands for."""

    name: str
    role: str
    csrf: str = ""
    token_hash: str | None = None


def token_of(connection: Connection, token_hash: str, now: datetime) -> Known | None:
    """Whom the token stands for; None where it is unknown, expired or revoked."""
    t = api_tokens
    row = connection.execute(
        select(t.c.name, t.c.role, t.c.used_at, t.c.expires_at, t.c.revoked_at).where(t.c.token_hash == token_hash)
    ).one_or_none()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    if row.used_at is None or now - row.used_at >= _USED_EVERY:
        connection.execute(t.update().where(t.c.token_hash == token_hash).values(used_at=now))
    return Known(row.name, row.role, token_hash=token_hash)


# ------------------------------------------------------------------------------------------------ people, sessions


def sign_in(connection: Connection, issuer: str, subject: str, name: str, role: str, now: datetime) -> str:
    """Keeps a person whom ``issuer`` vouched for, with the role that it gives them now; returns their id."""
    key = digest(issuer, subject)
    row = {"user_id": key, "issuer": issuer, "subject": subject, "name": name, "role": role}
    statement = insert(users).values(**row, received_at=now, signed_in_at=now)
    changed = {"name": name, "role": role, "signed_in_at": now}
    connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=changed))
    return key


def begin_session(
    connection: Connection, now: datetime, span: timedelta, *, user_id: str | None = None, token_hash: str | None = None
) -> str:
    """Signs a browser in, for a person or a token; returns the session's secret. Those that ended are cleared away."""
    connection.execute(sessions.delete().where(sessions.c.expires_at <= now))
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    row = {"session_hash": hashed(secret), "csrf": csrf, "user_id": user_id, "token_hash": token_hash}
    connection.execute(sessions.insert().values(**row, received_at=now, expires_at=now + span))
    return secret


_SESSION = text(
    "SELECT coalesce(u.name, t.name, '') AS name, coalesce(u.role, t.role, '') AS role, s.csrf, s.token_hash"
    " FROM sessions s LEFT JOIN users u ON u.user_id = s.user_id"
    " LEFT JOIN api_tokens t ON t.token_hash = s.token_hash AND t.revoked_at IS NULL"
    "  AND (t.expires_at IS NULL OR t.expires_at > :now)"
    " WHERE s.session_hash = :session AND s.expires_at > :now"
)


def session_of(connection: Connection, secret: str, now: datetime) -> Known | None:
    """Who is signed in; None where the session is unknown or over.

    Its name and role are empty where it was signed in by a token that is not, or no more, among those of the store.
    """
    row = connection.execute(_SESSION, {"session": hashed(secret), "now": now}).one_or_none()
    return None if row is None else Known(*row)


def end_session(connection: Connection, secret: str) -> None:
    """Signs a browser out."""
    connection.execute(sessions.delete().where(sessions.c.session_hash == hashed(secret)))
