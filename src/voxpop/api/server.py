"""The dashboard and a small JSON API, served beside whatever else runs.

There is no authentication yet, so it serves on loopback only, and answers only requests that name it by a loopback
host: a page of another site cannot read it by rebinding its own name. Nothing from a document is rendered as HTML.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from voxpop.errors import SettingError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from voxpop.app import App

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


@contextmanager
def serving(app: App) -> Iterator[str]:
    """Serves until the block ends; yields the address.

    Raises:
        SettingError: the address is not a loopback one, or its port is taken.
    """
    import uvicorn

    host, port = app.settings.host, app.settings.port
    if host not in LOOPBACK:
        raise SettingError(f"VOXPOP_HOST={host}: without authentication the dashboard serves on loopback only")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingError(f"port {port} of {host} cannot be had ({error.strerror}): set VOXPOP_PORT") from error
    config = uvicorn.Config(
        make(app), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2
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
        thread.join()
        listener.close()


def make(app: App) -> FastAPI:
    """The web application over the live objects of ``app``."""
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import FileResponse
    from fastapi.staticfiles import StaticFiles
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from voxpop.api.pages import routes

    api = FastAPI(title="Voxpop", docs_url=None, redoc_url=None)
    api.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])

    @api.middleware("http")
    async def secure(request: Request, call_next):  # type: ignore[no-untyped-def]
        response: Response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @api.get("/static/plotly.js", include_in_schema=False)
    def plotly() -> FileResponse:
        bundle = files("plotly") / "package_data" / "plotly.min.js"
        return FileResponse(str(bundle), media_type="text/javascript", headers={"cache-control": "max-age=86400"})

    api.mount("/static", StaticFiles(packages=[("voxpop.api", "static")]), name="static")
    api.include_router(routes(app))
    return api
