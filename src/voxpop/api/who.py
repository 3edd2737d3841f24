"""Who calls, and what they may: one dependency, ``needs``, on every route that is not open to all.

    @router.post("/things")
    def change(caller: Annotated[Caller, needs("analyst")]) -> …:
        with app.engine.begin() as connection:
            …
            audit(connection, caller, "thing changed", thing_id, {…})

A caller is named by a bearer token, or by the session of a browser, or, where neither a token of an administrator nor a
provider is set, is whoever sits at this machine. A browser sends its cookies along with what another site makes it ask,
so what changes something must come from a page of ours: its ``Sec-Fetch-Site`` or ``Origin`` says so, and it brings
the session's ``csrf`` as the field ``csrf`` of a form or as the header ``X-CSRF-Token``.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBearer
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.settings import Settings
from voxpop.store import access
from voxpop.store.access import ADMINISTRATOR, LOCAL, Person

__all__ = ["COOKIE", "ROLES", "Caller", "Gate", "Role", "audit", "needs"]

Role = Literal["viewer", "analyst", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Each may what the ones before it may."""

COOKIE: Final = "voxpop_session"
LEAST_TOKEN: Final = 32
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class Caller(NamedTuple):
    """Who calls, their role, and how that is known."""

    id: str
    """Theirs alone, whatever their name becomes."""
    name: str
    role: Role
    how: Literal["session", "token", "local"]
    csrf: str = ""
    """What a form must send back in its field ``csrf``; empty where it need not."""

    @property
    def person(self) -> Person:
        """Whose deed it is."""
        return Person(self.id, self.name)

    def may(self, role: Role) -> bool:
        """Whether this caller may what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


def role_of(word: str) -> Role:
    """The role of that name.

    Raises:
        SettingError: there is none.
    """
    for role in ROLES:
        if word == role:
            return role
    raise SettingError(f"{word!r} is no role; {', '.join(ROLES)} are")


def guarded(settings: Settings) -> bool:
    """Whether callers must say who they are."""
    return bool(settings.admin_token or settings.oidc_issuer)


def check(settings: Settings, loopback: bool) -> None:
    """Refuses settings that would let strangers in.

    Raises:
        SettingError: another address than a loopback one without authentication; a token short enough to be guessed;
            a provider that is named in part, or that could not send people back.
    """
    if not loopback and not guarded(settings):
        raise SettingError(
            f"VOXPOP_HOST={settings.host} is not a loopback address, and anybody there could come in: set"
            " VOXPOP_ADMIN_TOKEN or VOXPOP_OIDC_ISSUER, or leave VOXPOP_HOST at 127.0.0.1"
        )
    if settings.admin_token and len(settings.admin_token) < LEAST_TOKEN:
        raise SettingError(
            f"VOXPOP_ADMIN_TOKEN has fewer than {LEAST_TOKEN} characters; make one with: openssl rand -base64 32"
        )
    if settings.oidc_issuer and not settings.oidc_client_id:
        raise SettingError("VOXPOP_OIDC_ISSUER is set, so VOXPOP_OIDC_CLIENT_ID must be too")
    if settings.oidc_issuer and not loopback and not settings.public_url:
        raise SettingError("VOXPOP_PUBLIC_URL is missing: the provider sends people back to it once they signed in")
    if settings.public_url and urlsplit(settings.public_url).scheme not in ("http", "https"):
        raise SettingError(f"VOXPOP_PUBLIC_URL={settings.public_url} is no http or https address")


class Gate:
    """Tells callers apart; kept as ``app.state.gate``."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._admin = access.hashed(app.settings.admin_token) if app.settings.admin_token else ""
        self.guarded = guarded(app.settings)

    @staticmethod
    def asks_the_store(request: Request) -> bool:
        """Whether ``caller`` reads the database to answer, so that it may take a while."""
        return "authorization" in request.headers or COOKIE in request.cookies

    def caller(self, request: Request, sent: str) -> Caller:
        """Who makes this request.

        Args:
            sent: what it brought as its session's ``csrf``.

        Raises:
            HTTPException: 401 where nobody is named, 403 where a browser was sent by another site.
        """
        header = request.headers.get("authorization")
        if header is not None:
            kind, _, secret = header.partition(" ")
            if kind.lower() != "bearer":
                raise unknown("an Authorization of type Bearer is understood")
            return self.token(secret.strip()) or _raise(unknown("this token is unknown, expired or revoked"))
        if (cookie := request.cookies.get(COOKIE)) and (caller := self.session(cookie)):
            if request.method not in _SAFE:
                self.from_here(request)
                if not hmac.compare_digest(sent.encode(), caller.csrf.encode()):
                    raise HTTPException(403, "csrf is missing or not this session's: load the page anew and try again")
            return caller
        if self.guarded:
            raise unknown("sign in, or send a token: Authorization: Bearer …")
        return self._local(request)

    def token(self, secret: str) -> Caller | None:
        """Whom a token stands for."""
        found = access.hashed(secret)
        if self._admin and hmac.compare_digest(found, self._admin):
            return Caller(*ADMINISTRATOR, "admin", "token")
        with self._app.engine.begin() as connection:
            known = access.token_of(connection, found, datetime.now(UTC))
        return Caller(known.id, known.name, role_of(known.role), "token") if known else None

    def session(self, secret: str) -> Caller | None:
        """Who is signed in with a session."""
        with self._app.engine.connect() as connection:
            known = access.session_of(connection, secret, datetime.now(UTC))
        if known is None:
            return None
        if known.role:
            return Caller(known.id, known.name, role_of(known.role), "session", known.csrf)
        if self._admin and hmac.compare_digest(known.token_hash or "", self._admin):
            return Caller(*ADMINISTRATOR, "admin", "session", known.csrf)
        return None

    def still(self, request: Request) -> bool:
        """Whether whoever made this request would be let in again; yes while the database does not answer."""
        try:
            self.caller(request, "")
        except HTTPException:
            return False
        except SQLAlchemyError:
            return True
        return True

    def _local(self, request: Request) -> Caller:
        """Who sits at this machine, and asks from it."""
        if any(name in request.headers for name in _PASSED_ON):
            raise HTTPException(
                403, "a proxy passes on what others ask, so they must say who they are: set VOXPOP_ADMIN_TOKEN"
            )
        if request.method not in _SAFE:
            self.from_here(request)
        return Caller(*LOCAL, "admin", "local")

    def from_here(self, request: Request) -> None:
        """Refuses what a page of another site made a browser send.

        Browsers say where a request comes from, and no page can keep them from it; what says nothing is no browser.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            ours = site in ("same-origin", "none")
        elif origin is not None:
            ours = urlsplit(origin).netloc in (
                request.headers.get("host", ""),
                urlsplit(self._app.settings.public_url).netloc or None,
            )
        else:
            ours = True
        if not ours:
            raise HTTPException(403, "this came from a page of another site, so it changes nothing here")


def audit(
    connection: Connection, caller: Caller, what: str, about: str, details: Mapping[str, Any] | None = None
) -> None:
    """Adds a row to the trail (``access.audit``) in the caller's name."""
    access.audit(connection, caller.name, what, about, details, person=caller.id)


def unknown(why: str) -> HTTPException:
    """401: who calls is not known."""
    return HTTPException(401, why, headers={"www-authenticate": 'Bearer realm="voxpop"'})


def _raise(error: HTTPException) -> Caller:
    raise error


async def _sent(request: Request) -> str:
    """The ``csrf`` that a request brings."""
    if request.method in _SAFE:
        return ""
    kind = request.headers.get("content-type", "")
    if "x-csrf-token" not in request.headers and kind.startswith(_FORMS):
        given = (await request.form()).get("csrf")
        return given if isinstance(given, str) else ""
    return request.headers.get("x-csrf-token", "")


_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token made by `voxpop tokens create`.")


async def _caller(
    request: Request, sent: Annotated[str, Depends(_sent)], _: Annotated[Any, Security(_bearer)]
) -> Caller:
    gate: Gate = request.app.state.gate
    if gate.asks_the_store(request):
        caller = await run_in_threadpool(gate.caller, request, sent)
    else:
        caller = gate.caller(request, sent)
    request.state.caller = caller
    return caller


Called = Annotated[Caller, Depends(_caller)]


def needs(role: Role) -> Any:
    """A dependency that gives the ``Caller``, who has at least ``role``.

    In a template ``request.state.caller`` is the same. Without a caller it raises 401, with one of a lesser role 403.
    """

    async def at_least(caller: Called) -> Caller:
        if not caller.may(role):
            raise HTTPException(403, f"this takes the role {role}; {caller.name} has {caller.role}")
        return caller

    return Depends(at_least)


def local(path: str) -> str:
    """``path`` where it is one of ours, else the first page: nobody is sent on to another site."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours else "/"


def signed_in(app: App, secret: str, where: str) -> Response:
    """Sends a browser on with its session; the cookie is for our server alone, and no script can read it."""
    response = RedirectResponse(where, 303)
    seconds = round(app.settings.session_hours * 3600)
    tls = app.settings.public_url.startswith("https://")
    response.set_cookie(COOKIE, secret, max_age=seconds, httponly=True, secure=tls, samesite="lax")
    return response
