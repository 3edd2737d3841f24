"""The dashboard in a real browser, clicked through as a person would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.api.conftest import dashboard as dashboard

QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def page(dashboard: str) -> Iterator[Page]:
    """A page that fails the test if it asks another site for anything or reports an error."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*QUIET, *sandbox, "--disable-gpu", "--disable-sync"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        page.on(
            "request",
            lambda request: None if request.url.startswith((dashboard, "data:")) else wrong.append(request.url),
        )
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(dashboard)
        yield page
        browser.close()
        assert wrong == []


def test_from_what_turned_to_its_evidence_and_the_company(page: Page) -> None:
    page.get_by_role("link", name="evidence").first.click()
    assert page.locator("article.story").count() >= 12
    assert page.locator("mark.negative").first.is_visible()
    page.get_by_role("heading", level=1).get_by_role("link").click()
    page.locator("#trend .main-svg").first.wait_for()
    assert page.locator("#trend .shapelayer path").count() >= 1, "the alert is marked in the chart"
    page.get_by_role("link", name="most negative").click()
    page.get_by_text("3 more tell it").click()
    assert page.get_by_text("@echo").first.is_visible()
    assert page.title() != "owned"


def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    for path in ("", "entities/acme", "dead-letters"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + "/" + path)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, path


def test_it_can_be_walked_by_keyboard(page: Page) -> None:
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
