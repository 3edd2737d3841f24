"""Who is let in, as whom, and what stands in the trail: against a served dashboard that asks for names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.api.conftest import url_of
from voxpop.api import server
from voxpop.api.who import ROLES, Caller, Role, needs
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.settings import Settings
from voxpop.store import access, tables
from voxpop.store.people import BELL

ADMIN = "a-token-of-thirty-two-characters"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def served(store: Engine, home: Path) -> Iterator[str]:
    """The address of a dashboard that asks who is there."""
    yield from serve(Settings(database_url=url_of(store), home=home, port=0, admin_token=ADMIN))


@pytest.fixture(scope="module")
def unguarded(store: Engine, home: Path) -> Iterator[str]:
    """The address of one that does not."""
    yield from serve(Settings(database_url=url_of(store), home=home, port=0))


def serve(settings: Settings) -> Iterator[str]:
    """Serves with routes beside its own that say who calls them, one for each role."""
    made = server.make

    def with_probes(app: App) -> FastAPI:
        api = made(app)
        for role in ROLES:
            api.add_api_route(f"/v1/probe/{role}", probe(role), methods=["GET", "POST"], include_in_schema=False)
        return api

    with pytest.MonkeyPatch.context() as patch, App(settings) as app:
        patch.setattr(server, "make", with_probes)
        with server.serving(app) as url:
            yield url


def probe(role: Role) -> Callable[[Caller], dict[str, str]]:
    def answer(caller: Caller = needs(role)) -> dict[str, str]:  # noqa: B008 - how FastAPI is told
        return {"id": caller.id, "name": caller.name, "role": caller.role, "how": caller.how, "csrf": caller.csrf}

    return answer


def ask(url: str, role: Role = "viewer", method: str = "GET", **headers: str) -> httpx.Response:
    return httpx.request(method, f"{url}v1/probe/{role}", headers=headers, trust_env=False)


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


@contextmanager
def signed_in(url: str, secret: str = ADMIN) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        done = client.post("login", data={"token": secret, "next": "/dead-letters"})
        assert (done.status_code, done.headers["location"]) == (303, "/dead-letters")
        yield client


def test_nobody_comes_in_unnamed(served: str) -> None:
    refused = ask(served)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    assert ask(served, authorization=bearer("x" * 40)).status_code == 401
    assert ask(served, authorization="Basic YTpi").status_code == 401
    assert ask(served, cookie="voxpop_session=guessed").status_code == 401
    assert httpx.get(f"{served}healthz", trust_env=False).status_code == 200
    page = httpx.get(f"{served}entities/acme", headers={"accept": "text/html"}, trust_env=False)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/entities/acme")


def test_every_route_but_a_few_asks_who_is_there(served: str) -> None:
    described = httpx.get(f"{served}openapi.json", trust_env=False).json()["paths"]
    assert len(described) >= 10
    for path in described.keys() - {"/healthz"}:
        for method in described[path]:
            done = httpx.request(method, served.rstrip("/") + path.replace("{", "").replace("}", ""), trust_env=False)
            assert done.status_code in (401, 422), f"{method} {path}"
            if method == "get":
                assert done.status_code == 401, path
    for page in ("", "dead-letters", "entities/acme", "alerts/x"):
        assert httpx.get(f"{served}{page}", trust_env=False).status_code == 401, page


def test_each_role_may_what_the_lesser_ones_may_and_no_more(served: str, store: Engine) -> None:
    assert ask(served, "admin", authorization=bearer(ADMIN)).json()["name"] == "administrator"
    for number, role in enumerate(("viewer", "analyst", "admin")):
        with store.begin() as connection:
            _, secret = access.create_token(connection, f"robot {role}", role, "test", NOW)
        codes = [ask(served, of, authorization=bearer(secret)).status_code for of in ("viewer", "analyst", "admin")]
        assert codes == [200] * (number + 1) + [403] * (2 - number)


def test_a_token_ends_when_it_expires_or_is_revoked_and_so_does_the_session_made_with_it(
    served: str, store: Engine
) -> None:
    with store.begin() as connection:
        _, expired = access.create_token(connection, "old", "viewer", "test", NOW, NOW - timedelta(seconds=1))
        key, secret = access.create_token(connection, "robot", "viewer", "test", NOW)
    assert ask(served, authorization=bearer(expired)).status_code == 401
    with signed_in(served, secret) as browser:
        assert browser.get("v1/probe/viewer").json()["name"] == "robot"
        with store.begin() as connection:
            assert access.revoke_token(connection, key, "test", NOW)
            assert not access.revoke_token(connection, key, "test", NOW)
        assert browser.get("v1/probe/viewer").status_code == 401
    assert ask(served, authorization=bearer(secret)).status_code == 401


def test_a_rotated_token_is_another_secret_of_the_same_program(served: str, store: Engine) -> None:
    with store.begin() as connection:
        key, old = access.create_token(connection, "robot", "viewer", "test", NOW)
    with signed_in(served, old) as browser:
        with store.begin() as connection:
            new = access.rotate_token(connection, key, "joe", datetime.now(UTC) + timedelta(days=1))
            assert access.audited(connection, limit=1)[0][2:5] == ("joe", "token rotated", key)
            assert access.rotate_token(connection, "none", "joe") is None
        assert browser.get("v1/probe/viewer").status_code == 401
    assert ask(served, authorization=bearer(old)).status_code == 401
    answer = ask(served, authorization=bearer(str(new))).json()
    assert (answer["id"], answer["name"], answer["role"]) == (f"token:{key}", "robot", "viewer")
    with store.begin() as connection:
        assert access.revoke_token(connection, key, "test", NOW)
        assert access.rotate_token(connection, key, "joe") is None, "what was revoked stays so"
    assert ask(served, authorization=bearer(str(new))).status_code == 401


def test_a_page_that_is_open_hears_nothing_more_once_its_person_is_signed_out(served: str, store: Engine) -> None:
    with store.begin() as connection:
        key, secret = access.create_token(connection, "robot", "viewer", "test", NOW)
    with signed_in(served, secret) as browser, browser.stream("GET", "events", timeout=30) as stream:
        lines = stream.iter_lines()
        assert "event: hello" in lines
        ring(store)
        assert "event: changed" in lines
        with store.begin() as connection:
            assert access.end_sessions(connection, f"token:{key}", "test", datetime.now(UTC)) == 1
        ring(store)
        assert len(list(islice(lines, 12))) < 12, "it ends, whatever rang before"
        assert browser.get("events").status_code == 401


def ring(store: Engine) -> None:
    with store.begin() as connection:
        connection.execute(text(f"NOTIFY {BELL}, 'an alert'"))


def test_no_secret_lies_in_the_database(served: str, store: Engine) -> None:
    with store.begin() as connection:
        _, secret = access.create_token(connection, "robot", "viewer", "test", NOW)
    with signed_in(served, secret) as browser, store.connect() as connection:
        kept = str([connection.execute(table.select()).all() for table in tables.metadata.sorted_tables])
        cookie = browser.cookies["voxpop_session"]
    assert "robot" in kept
    assert secret not in kept
    assert cookie not in kept


def test_a_browser_changes_something_only_from_a_page_of_ours(served: str) -> None:
    with signed_in(served) as browser:
        csrf = browser.get("v1/probe/viewer").json()["csrf"]
        assert browser.post("v1/probe/viewer").status_code == 403
        assert browser.post("v1/probe/viewer", data={"csrf": "guessed"}).status_code == 403
        assert browser.post("v1/probe/viewer", data={"csrf": csrf}).status_code == 200
        assert browser.post("v1/probe/viewer", headers={"x-csrf-token": csrf}).status_code == 200
        for foreign in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil"}):
            done = browser.post("v1/probe/viewer", data={"csrf": csrf}, headers=foreign)
            assert done.status_code == 403
        done = browser.post("login", data={"token": ADMIN}, headers={"origin": "https://evil.example"})
        assert done.status_code == 403, "nobody is signed in as another"
        assert browser.post("logout", data={"csrf": csrf}).status_code == 303
        assert browser.get("v1/probe/viewer").status_code == 401


def test_the_cookie_is_out_of_reach_and_nobody_is_sent_on_to_another_site(served: str) -> None:
    for where in ("https://evil.example", "//evil.example", "/\\evil.example", "/a\nb"):
        done = httpx.post(f"{served}login", data={"token": ADMIN, "next": where}, trust_env=False)
        assert done.headers["location"] == "/"
        assert "httponly" in done.headers["set-cookie"].lower()
        assert "samesite=lax" in done.headers["set-cookie"].lower()


def test_without_authentication_the_one_at_this_machine_may_everything_and_other_sites_nothing(unguarded: str) -> None:
    assert ask(unguarded, "admin").json()["how"] == "local"
    assert ask(unguarded, "admin", "POST").status_code == 200
    assert ask(unguarded, "admin", "POST", origin=unguarded.rstrip("/")).status_code == 200
    assert ask(unguarded, "admin", "POST", origin="https://evil.example").status_code == 403
    assert ask(unguarded, "admin", "POST", **{"sec-fetch-site": "same-site"}).status_code == 403
    assert ask(unguarded, "admin", **{"x-forwarded-for": "192.0.2.1"}).status_code == 403, "a proxy asks for others"
    assert ask(unguarded, authorization=bearer("x" * 40)).status_code == 401, "a wrong token is not nobody's"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "0.0.0.0"}, "VOXPOP_ADMIN_TOKEN"),
        ({"admin_token": "short"}, "32 characters"),
        ({"oidc_issuer": "https://id.example"}, "VOXPOP_OIDC_CLIENT_ID"),
        (
            {"host": "0.0.0.0", "oidc_issuer": "https://id.example", "oidc_client_id": "voxpop"},
            "VOXPOP_PUBLIC_URL",
        ),
        ({"public_url": "javascript:x"}, "VOXPOP_PUBLIC_URL"),
    ],
)
def test_it_does_not_start_where_strangers_could_come_in(home: Path, changes: dict[str, Any], said: str) -> None:
    with App(Settings(home=home, **changes)) as app, pytest.raises(SettingError, match=said):
        server.serving(app).__enter__()


def test_with_authentication_it_serves_on_any_address(store: Engine, home: Path) -> None:
    everywhere = Settings(database_url=url_of(store), home=home, port=0, host="0.0.0.0", admin_token=ADMIN)
    with App(everywhere) as app, server.serving(app) as url:
        port = url.rsplit(":", 1)[1]
        assert httpx.get(f"http://127.0.0.1:{port}v1/alerts", trust_env=False).status_code == 401


def test_every_change_stands_in_a_trail_that_nobody_rewrites(store: Engine) -> None:
    with store.begin() as connection:
        key, _ = access.create_token(connection, "robot", "viewer", "jane", NOW)
        access.revoke_token(connection, key, "joe", NOW)
        trail = access.audited(connection, limit=2)
    assert [(row.who, row.person, row.what, row.about) for row in trail] == [
        ("joe", "shell:joe", "token revoked", key),
        ("jane", "shell:jane", "token created", key),
    ]
    for change in ("UPDATE audit SET who = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(DBAPIError, match="only added to"), store.begin() as connection:
            connection.execute(text(change))


def test_the_trail_is_written_with_the_change_or_not_at_all(store: Engine) -> None:
    with pytest.raises(ZeroDivisionError), store.begin() as connection:
        access.create_token(connection, "never made", "viewer", "jane", NOW)
        1 / 0  # noqa: B018
    with store.connect() as connection:
        assert "never made" not in str(access.audited(connection))
        assert "never made" not in str(access.list_tokens(connection))
