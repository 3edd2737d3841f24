"""A small OpenID Connect provider on loopback: it signs everybody in at once, as whom it is told, and checks what a
strict one checks: client, address to go back to, PKCE, and that a code is used once."""

from __future__ import annotations

import secrets
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "voxpop", "what-only-the-client-knows"


class Provider:
    """Attributes that tests change: ``claims`` of whoever signs in next, ``header`` and ``key`` of their ID token, and
    ``calls_itself``, its issuer."""

    def __init__(self) -> None:
        self.url = ""
        self.calls_itself: str | None = None
        self.own = RSAKey.generate_key(2048, {"kid": "one"})
        self.key: Any = self.own
        self.header: dict[str, str] = {"alg": "RS256", "kid": "one"}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self._codes: dict[str, dict[str, str]] = {}

    def reset(self, **claims: Any) -> None:
        """Signs in who has these claims, with nothing wrong."""
        self.key, self.header, self.calls_itself = self.own, {"alg": "RS256", "kid": "one"}, None
        self.claims, self.userinfo = {"sub": "42", "preferred_username": "jane", **claims}, {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", lambda _: JSONResponse({"keys": [self.own.as_dict(private=False)]})),
                Route("/userinfo", lambda _: JSONResponse({"sub": self.claims["sub"], **self.userinfo})),
            ]
        )

    def _describe(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.calls_itself or self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }
        )

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        sent = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(sent["code"], None)
        basic = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if (
            asked is None
            or basic != f"{CLIENT}:{SECRET}"
            or sent["redirect_uri"] != asked["redirect_uri"]
            or create_s256_code_challenge(sent["code_verifier"]) != asked["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": asked["nonce"], **self.claims}
        return JSONResponse({"access_token": "at", "token_type": "Bearer", "id_token": self._signed(claims)})

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.header["alg"] == "none":
            import json

            parts = [b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (self.header, claims)]
            return ".".join([*parts, ""])
        return jwt.encode(self.header, claims, self.key)


@contextmanager
def running() -> Iterator[Provider]:
    """A provider that answers until the block ends."""
    provider = Provider()
    config = uvicorn.Config(provider.app(), port=0, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    provider.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield provider
    server.should_exit = True
    thread.join()
