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

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.errors import StoreError
from voxpop.records import digest
from voxpop.store.tables import api_tokens, audit_trail, sessions, users

_USED_EVERY = timedelta(minutes=1)
"""A token's last use is written at most so often, so that reads do not write."""

TOKEN_PREFIX = "vxp_"  # noqa: S105 - by which a leaked token is recognised


def hashed(secret: str) -> str:
    """Hexadecimal SHA-256 of a secret."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Person(NamedTuple):
    """Whoever does something: a person, a program by its token, or who sits at the machine.

    Attributes:
        id: it stays when the name changes, and two of one name differ in it.
        name: what is shown.
    """

    id: str
    name: str


ADMINISTRATOR = Person("administrator", "administrator")
"""Whoever has the token of the settings."""
LOCAL = Person("local", "local operator")
"""Whoever sits at the machine, where nobody is asked for a name."""


def at_the_shell(name: str) -> Person:
    """Who gives a command under this name."""
    return Person(f"shell:{name}", name)


def audit(
    connection: Connection,
    who: str,
    what: str,
    about: str,
    details: Mapping[str, Any] | None = None,
    person: str | None = None,
) -> None:
    """Adds a row to the trail, in the caller's transaction: the change and its row are there both or not at all.

    Args:
        who: the caller's name.
        what: what was done, as a word or two such as "token created".
        about: the id of what it was done to.
        details: JSON, without secrets.
        person: the caller's id.
    """
    row = {"who": who, "what": what, "about": about, "details": dict(details or {}), "person": person}
    connection.execute(audit_trail.insert().values(**row))


def _audit_at_the_shell(
    connection: Connection, who: str, what: str, about: str, details: Mapping[str, Any] | None = None
) -> None:
    audit(connection, who, what, about, details, person=at_the_shell(who).id)


class Audited(NamedTuple):
    """A row of the trail."""

    number: int
    at: datetime
    who: str
    what: str
    about: str
    details: dict[str, Any]
    person: str | None
    """Id of who."""


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
    _audit_at_the_shell(connection, who, "token created", key, {"name": name, "role": role, "expires_at": expires})
    return key, secret


def list_tokens(connection: Connection) -> list[Token]:
    """All that were ever made, the oldest first."""
    t = api_tokens.c
    columns = (t.token_id, *(t[name] for name in Token._fields[1:]))
    rows = connection.execute(select(*columns).order_by(t.received_at, t.token_id))
    return [Token(*row) for row in rows]


def rotate_token(connection: Connection, key: str, who: str, expires_at: datetime | None = None) -> str | None:
    """Puts a new token in the place of the one of this id, which may have expired; returns it, or None where there is
    none that was not revoked.

    The id stays, so that what the program did, said and keeps remains its own. The old token, and whoever is signed in
    with it, ends at once.
    """
    t, secret = api_tokens, TOKEN_PREFIX + secrets.token_urlsafe(32)
    old = connection.execute(
        select(t.c.token_hash).where(t.c.token_id == key, t.c.revoked_at.is_(None)).with_for_update()
    ).scalar_one_or_none()
    if old is None:
        return None
    changed = {"token_hash": hashed(secret), "expires_at": expires_at, "used_at": None}
    connection.execute(t.update().where(t.c.token_hash == old).values(**changed))
    connection.execute(sessions.delete().where(sessions.c.token_hash == old))
    expires = expires_at.isoformat() if expires_at else None
    _audit_at_the_shell(connection, who, "token rotated", key, {"expires_at": expires})
    return secret


def revoke_token(connection: Connection, key: str, who: str, now: datetime) -> bool:
    """Ends a token, and whoever is signed in with it, at once; False where there is none of this id to end."""
    t = api_tokens
    ended = connection.execute(
        t.update().where(t.c.token_id == key, t.c.revoked_at.is_(None)).values(revoked_at=now).returning(t.c.token_hash)
    ).scalar_one_or_none()
    if ended is None:
        return False
    connection.execute(sessions.delete().where(sessions.c.token_hash == ended))
    _audit_at_the_shell(connection, who, "token revoked", key)
    return True


class Known(NamedTuple):
    """Whom a secret stands for."""

    id: str
    name: str
    role: str
    csrf: str = ""
    token_hash: str | None = None


def token_of(connection: Connection, token_hash: str, now: datetime) -> Known | None:
    """Whom the token stands for; None where it is unknown, expired or revoked."""
    t = api_tokens
    row = connection.execute(
        select(t.c.token_id, t.c.name, t.c.role, t.c.used_at, t.c.expires_at, t.c.revoked_at).where(
            t.c.token_hash == token_hash
        )
    ).one_or_none()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    if row.used_at is None or now - row.used_at >= _USED_EVERY:
        connection.execute(t.update().where(t.c.token_hash == token_hash).values(used_at=now))
    return Known(f"token:{row.token_id}", row.name, row.role, token_hash=token_hash)


# ------------------------------------------------------------------------------------------------ people, sessions


def sign_in(connection: Connection, issuer: str, subject: str, name: str, role: str, now: datetime) -> str:
    """Keeps a person whom ``issuer`` vouched for, with the role that it gives them now; returns their ``user_id``."""
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


_SIGNED_IN = (
    "FROM sessions s LEFT JOIN users u ON u.user_id = s.user_id"
    " LEFT JOIN api_tokens t ON t.token_hash = s.token_hash AND t.revoked_at IS NULL"
    "  AND (t.expires_at IS NULL OR t.expires_at > :now)"
    " WHERE s.expires_at > :now"
)
"""Sessions with the person, or the token that is in force, that they stand for."""
_SESSION = text(
    "SELECT coalesce('user:' || u.user_id, 'token:' || t.token_id, '') AS id, coalesce(u.name, t.name, '') AS name,"
    f" coalesce(u.role, t.role, '') AS role, s.csrf, s.token_hash {_SIGNED_IN} AND s.session_hash = :session"
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


class Session(NamedTuple):
    """A browser that is signed in."""

    person: str
    """Id of who is."""
    name: str
    role: str
    how: str
    """By what: the provider, or a token."""
    received_at: datetime
    expires_at: datetime


UNKNOWN = Person("unknown", "unknown")
"""Whoever is signed in by a token that neither the store nor the asker's settings have: perhaps the administrator."""

_SESSIONS = text(
    "SELECT s.session_hash, s.token_hash,"  # noqa: S608 - of what stands in this file
    " coalesce('user:' || u.user_id, 'token:' || t.token_id) AS person,"
    " coalesce(u.name, t.name) AS name, coalesce(u.role, t.role) AS role,"
    " CASE WHEN s.user_id IS NULL THEN 'token' ELSE 'provider' END AS how, s.received_at, s.expires_at"
    f" {_SIGNED_IN} AND (u.user_id IS NOT NULL OR t.token_id IS NOT NULL OR s.token_hash IS NOT NULL"
    "  AND NOT EXISTS (SELECT FROM api_tokens k WHERE k.token_hash = s.token_hash))"
    " ORDER BY s.received_at, s.session_hash"
)


def list_sessions(connection: Connection, now: datetime, admin_token: str = "") -> list[Session]:
    """The browsers that are signed in, the first of them first.

    Args:
        admin_token: the one of the settings, by which an administrator's sessions are told from those of ``UNKNOWN``.
    """
    return list(_sessions(connection, now, admin_token).values())


def _sessions(connection: Connection, now: datetime, admin_token: str) -> dict[str, Session]:
    """Those that let somebody in, by their hash."""
    admin = hashed(admin_token) if admin_token else None
    found = {}
    for session_hash, token_hash, *of in connection.execute(_SESSIONS, {"now": now}):
        office = (*ADMINISTRATOR, "admin") if token_hash == admin else (*UNKNOWN, "")
        found[session_hash] = Session(*(office if of[0] is None else of[:3]), *of[3:])
    return found


def end_sessions(connection: Connection, whose: str, who: str, now: datetime, admin_token: str = "") -> int:
    """Signs all browsers of a person out, at once; returns how many.

    They may sign in again: what keeps them out is the provider, or the end of their token.

    Args:
        whose: the person's id, or their name where nobody has it as an id.
        who: the name of whoever does this, at the shell.
        admin_token: as of ``list_sessions``.

    Raises:
        StoreError: several people of this name are signed in.
    """
    all_of_them = _sessions(connection, now, admin_token)
    found = {key: one for key, one in all_of_them.items() if one.person == whose} or {
        key: one for key, one in all_of_them.items() if one.name == whose
    }
    people = sorted({one.person for one in found.values()})
    if len(people) > 1:
        raise StoreError(
            f"{len(people)} people of the name {whose!r} are signed in: name one by id, {', '.join(people)}"
        )
    if found:
        connection.execute(sessions.delete().where(sessions.c.session_hash.in_(list(found))))
        details = {"name": next(iter(found.values())).name, "sessions": len(found)}
        _audit_at_the_shell(connection, who, "sessions ended", people[0], details)
    return len(found)
