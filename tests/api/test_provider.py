"""People sign in through a real provider on loopback; what is not its answer to this browser signs nobody in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.api.provider import CLIENT, SECRET, Provider, running
from tests.conftest import new_database
from voxpop.api import server
from voxpop.api.provider import role_in, roles_of
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.settings import Settings
from voxpop.store import access


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module")
def served(server_url: str, home: Path, provider: Provider) -> Iterator[tuple[str, App]]:
    """A dashboard whose people the provider signs in, and its live objects."""
    with pytest.MonkeyPatch.context() as patch, new_database(server_url) as url:
        patch.setenv("NO_PROXY", "127.0.0.1")
        settings = Settings(
            database_url=url,
            home=home,
            port=0,
            oidc_issuer=provider.url,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
            oidc_roles="desk=viewer,risk desk=analyst,admin=admin",
        )
        with App(settings) as app, server.serving(app) as address:
            yield address, app


@contextmanager
def browser(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, follow_redirects=True) as client:
        yield client


def signed_in(address: str) -> int:
    """What a browser sees that signs in and is sent on to the alerts."""
    with browser(address) as client:
        return client.get("login/provider?next=/v1/alerts").status_code


def test_a_person_signs_in_and_is_known_by_name_and_role(served: tuple[str, App], provider: Provider) -> None:
    provider.reset(roles=["desk", "risk desk", "lunch club"])
    with browser(served[0]) as client:
        done = client.get("login/provider?next=/v1/alerts")
        assert (done.status_code, done.url.path) == (200, "/v1/alerts")
        assert client.cookies["voxpop_session"]
    with served[1].engine.connect() as connection:
        row = access.audited(connection, limit=1)[0]
    assert (row.who, row.what, row.details) == ("jane", "signed in", {"role": "analyst"})


def test_the_role_is_what_the_provider_says_at_the_last_sign_in(served: tuple[str, App], provider: Provider) -> None:
    address, app = served
    with browser(address) as early:
        provider.reset(sub="7", roles="admin")
        early.get("login/provider?next=/v1/alerts")
        provider.reset(sub="7", roles="desk")
        assert signed_in(address) == 200
        with app.engine.connect() as connection:
            known = access.session_of(connection, early.cookies["voxpop_session"], access.audited(connection)[0].at)
    assert known is not None
    assert known.role == "viewer", "an older session has no more than the person"


def listed(address: str, add: str = "") -> list[str]:
    """The lists of whoever the provider signs in, once they have made another."""
    with browser(address) as client:
        client.get("login/provider?next=/lists")
        page = client.get("lists").text
        if add:
            csrf = re.search(r'name="csrf" value="([^"]+)"', page)
            assert csrf
            assert client.post("lists", data={"name": add, "csrf": csrf[1]}).status_code == 200
            page = client.get("lists").text
    return re.findall(r'<section class="card"><div class="title"><h2>([^<]+)', page)


def test_lists_go_with_a_person_to_their_new_name_and_not_to_a_namesake(
    served: tuple[str, App], provider: Provider
) -> None:
    provider.reset(sub="11", preferred_username="kim", roles="desk")
    assert listed(served[0], add="Lenders") == ["Lenders"]
    provider.reset(sub="12", preferred_username="kim", roles="desk")
    assert listed(served[0]) == [], "another of the name"
    assert listed(served[0], add="Carmakers") == ["Carmakers"]
    provider.reset(sub="11", preferred_username="kim.lee", roles="desk")
    assert listed(served[0]) == ["Lenders"]
    with served[1].engine.connect() as connection:
        kept = [(row.who, row.what) for row in access.audited(connection) if row.what == "list kept"]
        people = {row.person for row in access.audited(connection) if row.what == "list kept"}
    assert kept == [("kim", "list kept")] * 2
    assert len(people) == 2


def test_who_has_no_role_stays_outside(served: tuple[str, App], provider: Provider) -> None:
    given: tuple[dict[str, Any], ...] = (
        {},
        {"roles": []},
        {"roles": "lunch club"},
        {"roles": {"desk": 1}},
        {"roles": [["desk"]]},
    )
    for claims in given:
        provider.reset(**claims)
        assert signed_in(served[0]) == 403


def test_a_role_may_stand_in_the_userinfo_alone(served: tuple[str, App], provider: Provider) -> None:
    provider.reset()
    provider.userinfo = {"roles": ["desk"]}
    assert signed_in(served[0]) == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"aud": "another"}},
        {"claims": {"iss": "https://another.example"}},
        {"claims": {"exp": 1}},
        {"claims": {"nonce": "another"}},
        {"key": RSAKey.generate_key(2048, {"kid": "one"})},
        {"key": OctKey.import_key(SECRET), "header": {"alg": "HS256", "kid": "one"}},
        {"header": {"alg": "none"}},
    ],
    ids=["audience", "issuer", "expired", "nonce", "key", "shared-secret", "unsigned"],
)
def test_an_id_token_that_is_not_the_providers_for_us_and_now_signs_nobody_in(
    served: tuple[str, App], provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.reset(roles="admin", **wrong.get("claims", {}))
    provider.key, provider.header = wrong.get("key", provider.key), wrong.get("header", provider.header)
    assert signed_in(served[0]) == 403


def test_an_answer_counts_once_and_in_the_browser_that_asked(served: tuple[str, App], provider: Provider) -> None:
    provider.reset(roles="admin")
    with httpx.Client(base_url=served[0], trust_env=False) as asking, browser(served[0]) as another:
        there = asking.get("login/provider").headers["location"]
        back = httpx.get(there, trust_env=False).headers["location"]
        assert another.get(back).status_code == 403, "a link with somebody else's answer"
        assert asking.get(back).status_code == 303
        assert asking.get(back).status_code == 403


def test_a_provider_that_calls_itself_another_is_not_believed(
    server_url: str, home: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    provider.reset(roles="admin")
    provider.calls_itself = "https://another.example"
    with new_database(server_url) as url:
        settings = Settings(database_url=url, home=home, port=0, oidc_issuer=provider.url, oidc_client_id=CLIENT)
        with App(settings) as app, server.serving(app) as address, browser(address) as client:
            done = client.get("login/provider")
            assert done.status_code == 400
            assert "calls itself another" in done.json()["detail"]


def test_a_claim_within_another_and_the_highest_of_several_roles() -> None:
    roles = roles_of("staff=viewer, ou=bank=analyst ")
    assert role_in({"realm_access": {"roles": ["staff", "ou=bank"]}}, "realm_access.roles", roles) == "analyst"
    assert role_in({"a.b": "staff"}, "a.b", roles) == "viewer"
    with pytest.raises(SettingError, match="word=role"):
        roles_of("admin")
    with pytest.raises(SettingError, match="no role"):
        roles_of("staff=owner")
