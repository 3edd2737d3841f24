"""Signing people in through an OpenID Connect provider: code flow with PKCE, by Authlib.

The provider says who somebody is and, in a claim, what they may. State, nonce and verifier of a sign-in that is under
way lie in a signed cookie of ten minutes, whose key is this process': after a restart one begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from joserfc.errors import JoseError

from voxpop.api.who import ROLES, Role, local, role_of, signed_in
from voxpop.app import App
from voxpop.errors import SettingError, Unavailable
from voxpop.settings import Settings
from voxpop.store import access

logger = logging.getLogger(__name__)

STATE_COOKIE: Final = "voxpop_sign_in"
STATE_SECONDS: Final = 600
_TIMEOUT: Final = 10.0
_SIGNED_BY_PROVIDER: Final = ("RS", "PS", "ES", "Ed")
"""Beginnings of algorithms by which only the provider can sign; a shared secret or none is no signature of its."""


def roles_of(written: str) -> dict[str, Role]:
    """The role of each word, as ``VOXPOP_OIDC_ROLES`` says: ``word=role,…``.

    Raises:
        SettingError: not written so.
    """
    found: dict[str, Role] = {}
    for pair in filter(None, (pair.strip() for pair in written.split(","))):
        word, sign, role = pair.rpartition("=")
        if not sign or not word:
            raise SettingError(f"VOXPOP_OIDC_ROLES: {pair!r} is not of the form word=role")
        found[word.strip()] = role_of(role.strip())
    return found


def role_in(claims: Mapping[str, Any], claim: str, roles: Mapping[str, Role]) -> Role | None:
    """The highest role that the claim gives; None where it gives none. ``a.b`` is the claim b within a."""
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    words = value if isinstance(value, list) else [value]
    given = [roles[word] for word in words if isinstance(word, str) and word in roles]
    return max(given, key=ROLES.index, default=None)


def name_in(claims: Mapping[str, Any]) -> str:
    """What to call somebody."""
    named = (claims.get(key) for key in ("preferred_username", "email", "name", "sub"))
    return next(str(value)[:200] for value in named if value)


class Provider:
    """The provider that the settings name.

    Raises:
        SettingError: its roles are not written as they must be.
    """

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.oidc_issuer
        self._claim, self._roles = settings.oidc_role_claim, roles_of(settings.oidc_roles)
        self._client: StarletteOAuth2App = OAuth().register(
            "provider",
            server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret or None,
            code_challenge_method="S256",
            client_kwargs={
                "scope": "openid profile email",
                "timeout": _TIMEOUT,
                "token_endpoint_auth_method": "client_secret_basic" if settings.oidc_client_secret else "none",
            },
        )

    async def begin(self, request: Request, back: str) -> Response:
        """Sends a browser to the provider, which sends it to ``back``."""
        await self._describe()
        response: Response = await self._client.authorize_redirect(request, back)
        return response

    async def end(self, request: Request) -> tuple[Mapping[str, Any], Role | None]:
        """Who came back from the provider: their claims, and the role that these give.

        Raises:
            OAuthError, JoseError: the provider refused, or what came back is not its own answer to this browser.
        """
        await self._describe()
        token = await self._client.authorize_access_token(request)
        claims: Mapping[str, Any] = token.get("userinfo") or {}
        if not claims.get("sub"):
            raise OAuthError(description="the provider sent no ID token")
        role = role_in(claims, self._claim, self._roles)
        if role is None and "userinfo_endpoint" in self._client.server_metadata:
            more = await self._client.userinfo(token=token)
            if more.get("sub") == claims["sub"]:
                role = role_in(more, self._claim, self._roles)
        return claims, role

    async def _describe(self) -> None:
        """Reads how the provider describes itself; kept once it is read."""
        described = await self._client.load_server_metadata()
        if described.get("issuer") != self.issuer:
            # Else one provider could speak for another (OpenID Connect Discovery, section 4.3).
            self._client.server_metadata.clear()
            raise SettingError(f"VOXPOP_OIDC_ISSUER={self.issuer}, but the provider there calls itself another")
        named = described.get("id_token_signing_alg_values_supported") or ["RS256"]
        described["id_token_signing_alg_values_supported"] = [a for a in named if a.startswith(_SIGNED_BY_PROVIDER)]


def routes(app: App) -> APIRouter:
    """The router of signing in through the provider."""
    router = APIRouter(include_in_schema=False)
    provider = Provider(app.settings)

    @router.get("/login/provider")
    async def begin(request: Request, next: str = "/") -> Response:
        request.session["next"] = local(next)
        base = app.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        try:
            return await provider.begin(request, f"{base}/login/back")
        except httpx.HTTPError as error:
            raise _away(error) from error

    @router.get("/login/back")
    async def back(request: Request) -> Response:
        where = local(str(request.session.get("next", "/")))
        try:
            claims, role = await provider.end(request)
        except (OAuthError, JoseError) as error:
            logger.warning("somebody was not signed in: %s", error)
            raise HTTPException(403, "the provider did not sign you in, or this took too long: try again") from error
        except httpx.HTTPError as error:
            raise _away(error) from error
        if role is None:
            words = f"the provider gives {name_in(claims)} no role here (claim {app.settings.oidc_role_claim})"
            raise HTTPException(403, f"{words}: ask an administrator")
        return signed_in(app, await run_in_threadpool(_begin_session, app, claims, role), where)

    return router


def _begin_session(app: App, claims: Mapping[str, Any], role: Role) -> str:
    now, name = datetime.now(UTC), name_in(claims)
    with app.engine.begin() as connection:
        user = access.sign_in(connection, app.settings.oidc_issuer, claims["sub"], name, role, now)
        access.audit(connection, name, "signed in", user, {"role": role}, person=f"user:{user}")
        return access.begin_session(connection, now, timedelta(hours=app.settings.session_hours), user_id=user)


def _away(error: httpx.HTTPError) -> Unavailable:
    logger.warning("the provider is away: %s", error)
    return Unavailable("the provider that signs people in does not answer: try again in a moment")
