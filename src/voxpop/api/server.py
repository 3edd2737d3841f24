"""The dashboard and the API, served beside whatever else runs.

Without authentication it serves on loopback only, and answers only requests that name it by a loopback host: a page of
another site cannot read it by rebinding its own name. Nothing from a document is rendered as HTML.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from voxpop.errors import SettingError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from voxpop.app import App
    from voxpop.settings import Settings

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_KEEP_ALIVE_SECONDS = 75
"""Longer than proxies and people's programs keep a silent connection: who closes first may cut off a request."""


@contextmanager
def serving(app: App) -> Iterator[str]:
    """Serves until the block ends; yields the address.

    Raises:
        SettingError: the settings would let strangers in, or the port is taken.
    """
    import uvicorn

    from voxpop.api import who

    host, port = app.settings.host, app.settings.port
    who.check(app.settings, host in LOOPBACK)
    if not 0 <= port <= 65535:
        raise SettingError(f"{port} is no port, which is a number up to 65535: set VOXPOP_PORT")
    api = make(app)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingError(f"port {port} of {host} cannot be had ({error.strerror}): set VOXPOP_PORT") from error
    config = uvicorn.Config(
        api,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="dashboard", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        yield f"http://{'[::1]' if ':' in host else host}:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        api.state.bell.close()  # which ends the streams that the server would wait for
        api.state.batcher.close()  # first, so that who waits for the model is told to come again
        thread.join()
        listener.close()


def make(app: App) -> FastAPI:
    """The web application over the live objects of ``app``."""
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from voxpop.api import acts, asks, described, desk, login, problems, reads, who
    from voxpop.api.headers import BodyLimit, Headers
    from voxpop.api.live import Bell
    from voxpop.api.pace import Pace
    from voxpop.api.threads import few

    settings = app.settings
    api = FastAPI(title="Voxpop", docs_url=None, redoc_url=None, lifespan=few)
    api.state.gate, api.state.pace = who.Gate(app), Pace(settings.requests_per_minute)
    api.state.batcher = asks.batcher(app)
    api.add_middleware(BodyLimit)
    api.add_middleware(TrustedHostMiddleware, allowed_hosts=_hosts(settings))
    api.add_middleware(Headers, tls=settings.public_url.startswith("https://"))
    problems.install(api)
    described.install(api)
    _open_to_all(api, app)
    api.include_router(login.routes(app))
    api.state.bell = Bell(lambda: app.database_url)
    if settings.oidc_issuer:
        _add_provider(api, app)
    api.include_router(reads.routes(app))
    api.include_router(asks.routes(app))
    api.include_router(acts.routes(app))
    api.include_router(desk.routes(app, api.state.bell))
    return api


def _add_provider(api: FastAPI, app: App) -> None:
    from starlette.middleware.sessions import SessionMiddleware

    from voxpop.api import provider

    api.add_middleware(
        SessionMiddleware,
        secret_key=secrets.token_hex(32),
        session_cookie=provider.STATE_COOKIE,
        max_age=provider.STATE_SECONDS,
        path="/login",
        same_site="lax",
        https_only=app.settings.public_url.startswith("https://"),
    )
    api.include_router(provider.routes(app))


def _hosts(settings: Settings) -> list[str]:
    """The names by which it may be asked: a page of another site could else rebind its own name to this address, which
    helps it only where callers need not say who they are."""
    if settings.host not in LOOPBACK and not settings.public_url:
        return ["*"]
    named = urlsplit(settings.public_url).hostname
    return [*LOOPBACK, "[::1]", *([named] if named else ())]


def _open_to_all(api: FastAPI, app: App) -> None:
    """What anybody may have: whether it works, and the files of the pages."""
    from fastapi.responses import FileResponse
    from fastapi.staticfiles import StaticFiles

    from voxpop.api.plotly import bundle

    @api.get("/healthz", summary="Whether the store answers", tags=["health"])
    def health() -> dict[str, str]:
        with app.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        return {"status": "ok"}

    @api.get("/static/plotly.js", include_in_schema=False)
    def plotly() -> FileResponse:
        return FileResponse(bundle(), media_type="text/javascript", headers={"cache-control": "max-age=86400"})

    api.mount("/static", StaticFiles(packages=[("voxpop.api", "static")]), name="static")
