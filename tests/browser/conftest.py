"""One browser for all tests, and pages of it that fail a test if they report an error or ask another site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.api.conftest import Desk, shared_desk

QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        args = [*QUIET, *sandbox, "--disable-gpu", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=chromium, args=args)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def desk(server_url: str, home: Path) -> Iterator[Desk]:
    """A dashboard for all tests here."""
    with shared_desk(server_url, home) as shared:
        yield shared


@pytest.fixture
def visitor(browser: Browser, desk: Desk) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a browser of a person of its own; one that is wrong fails the test."""
    wrong: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(path: str = "", refused: int = 0, **options: object) -> Page:
        """The page of the path; ``refused``: a status that a request of it may be answered with."""
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        ours = (desk.url, "data:")
        page.on("request", lambda asked: None if asked.url.startswith(ours) else wrong.append(asked.url))
        meant = f"the server responded with a status of {refused} "
        page.on(
            "console", lambda said: wrong.append(said.text) if said.type == "error" and meant not in said.text else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(desk.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    """The first page, as a person sees it who comes."""
    return visitor()
