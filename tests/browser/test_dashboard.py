"""The dashboard in a real browser, clicked through as a person would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.conftest import Desk
from tests.store.samples import document, reading, write
from voxpop.store import people, runs
from voxpop.store.access import Person

Visitor = Callable[..., Page]
PATHS = ("", "alerts", "why?entity=acme", "review", "ask", "lists", "system", "dead-letters", "entities/acme")


def row(page: Page, alert: str) -> str:
    return f"[data-row][data-id='{alert}']"


def heard(page: Page) -> None:
    """Waits until the page hears of changes."""
    page.locator("#live.on").wait_for(state="attached")


def walk_to(page: Page, alert: str) -> None:
    """Goes down by keys to the row of the alert."""
    for _ in range(page.locator("[data-row]").count()):
        if page.locator(f"{row(page, alert)}.here").count():
            return
        page.keyboard.press("j")
    assert page.locator(f"{row(page, alert)}.here").count() == 1


def test_from_what_turned_to_its_evidence_and_the_company(page: Page) -> None:
    page.locator("#heat-part .main-svg").first.wait_for()
    page.locator("#turned").get_by_role("link", name="evidence").first.click()
    assert page.locator("article.story").count() >= 12
    assert page.locator("mark.negative").first.is_visible()
    page.get_by_role("heading", level=1).get_by_role("link").click()
    page.locator("[data-chart=trend] .main-svg").first.wait_for()
    assert page.locator("[data-chart=trend] .shapelayer path").count() >= 1, "the alert is marked in the chart"
    page.get_by_role("link", name="most negative").click()
    page.get_by_text("3 more tell it").click()
    assert page.get_by_text("@echo").first.is_visible()
    assert "owned" not in page.title()


def test_a_new_alert_and_what_another_does_of_it_show_without_reloading(desk: Desk, visitor: Visitor) -> None:
    one, other = visitor("alerts"), visitor("alerts")
    heard(one)
    heard(other)
    alert = desk.alert("comes by itself")
    for page in (one, other):
        page.locator(f"#waits {row(page, alert)}").wait_for()
        expect(page).to_have_title("(1) Alerts · Voxpop")
    one.locator(row(one, alert)).get_by_role("button", name="Acknowledge").click()
    for page in (one, other):
        page.locator(f"#taken {row(page, alert)}").wait_for()
        expect(page.locator(row(page, alert))).to_contain_text("local operator")
    one.locator(row(one, alert)).get_by_role("link", name="evidence").click()
    heard(one)
    one.get_by_label("Comment").fill("Their press office answers by noon.")
    one.get_by_role("button", name="Comment").click()
    expect(one.locator("#history")).to_contain_text("Their press office answers by noon.")
    expect(one.get_by_label("Comment")).to_have_value("")
    expect(other.locator(row(other, alert))).to_contain_text("1 comment")


def test_what_a_person_writes_is_not_swept_away_by_what_comes(desk: Desk, visitor: Visitor) -> None:
    alert = desk.alert("is written about")
    page = visitor(f"alerts/{alert}")
    heard(page)
    page.get_by_label("Comment").fill("half a sen")
    with desk.engine.begin() as connection:
        people.comment(connection, alert, Person("user:jane", "Jane"), "I am on it", datetime.now(UTC))
    expect(page.locator("#history")).to_contain_text("I am on it")
    expect(page.get_by_label("Comment")).to_have_value("half a sen")


def test_the_inbox_by_keys(desk: Desk, visitor: Visitor) -> None:
    alert = desk.alert("by keys")
    page = visitor("alerts")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("acknowledge")
    page.keyboard.press("Escape")
    walk_to(page, alert)
    page.keyboard.press("a")
    page.locator(f"#taken {row(page, alert)}").wait_for()
    page.locator(".here").wait_for()  # the next one that waits, or what has taken its place
    walk_to(page, alert)
    page.keyboard.press("r")
    page.locator(f"#over {row(page, alert)}").wait_for()
    page.keyboard.press("k")
    page.keyboard.press("o")
    page.wait_for_url("**/alerts/*")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/system")


def test_a_key_that_can_do_nothing_says_why(desk: Desk, visitor: Visitor) -> None:
    alert = desk.alert("not fired yet", fired=False)
    page = visitor("alerts")
    walk_to(page, alert)
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_have_text("This was not done: This alert has not fired yet.")
    page.goto(f"{desk.url}alerts/{alert}")
    page.keyboard.press("r")
    expect(page.locator("#toast")).to_have_text("This was not done: This alert has not fired yet.")
    desk.execute("DELETE FROM alerts WHERE alert_id = :id", id=alert)


def test_an_alert_is_silenced_and_the_silence_ended(desk: Desk, visitor: Visitor) -> None:
    alert = desk.alert("is silenced")
    page = visitor(f"alerts/{alert}")
    page.get_by_text("Silence alerts like this").click()
    page.get_by_label("Reason").fill("a known sale")
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.locator("#toast")).to_have_text("Done")
    page.goto(f"{desk.url}alerts")
    expect(page.locator("#silences")).to_contain_text("a known sale")
    page.locator("#silences").get_by_role("button", name="End").click()
    expect(page.locator("#silences")).not_to_contain_text("a known sale")


def test_doubtful_labels_are_told_by_keys(desk: Desk, visitor: Visitor) -> None:
    doubt = [reading(document(f"d{n}", 331 + n / 10, f"Acmetron in doubt {n}"), "negative") for n in range(2)]
    write(desk.engine, doubt)
    desk.execute(
        "UPDATE opinions SET label = 'unsure' WHERE document_id = ANY(:ids)", ids=[d.document.id for d in doubt]
    )
    page = visitor("review?reason=unsure")
    expect(page.locator("#queue article")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect(page.locator("#queue article")).to_have_count(1)
    page.locator("#queue .here").wait_for()
    page.keyboard.press("3")
    expect(page.locator("#queue")).to_contain_text("Nothing is in doubt here")
    assert sorted(label for (label,) in desk.execute("SELECT label FROM reviews")) == ["negative", "positive"]
    expect(page.locator("#verdicts tr")).to_have_count(2)


def test_a_list_of_ones_own_is_made_and_orders_what_is_seen(page: Page, desk: Desk) -> None:
    page.get_by_role("link", name="My lists").click()
    page.get_by_label("New list").fill("Suppliers")
    page.get_by_label("Company", exact=True).last.fill("博特工业")
    page.get_by_role("button", name="Make").click()
    page.locator(".card").get_by_role("link", name="博特工业").wait_for()
    page.get_by_role("link", name="Today").click()
    first = page.locator("#companies tbody tr").first
    expect(first).to_contain_text("博特工业")
    first.get_by_role("link").click()
    page.get_by_role("button", name="On my list").click()
    expect(page.get_by_role("button", name="Put on my list")).to_be_visible()


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en-GB", "This was not done: nobody watches Nordhafen"), ("zh-CN", "操作未完成: 未监测“Nordhafen”。")],
)
def test_what_was_not_done_says_why(visitor: Visitor, lang: str, said: str) -> None:
    page = visitor("lists", refused=404, locale=lang)
    page.locator("form input[name=name][maxlength]").fill("Suppliers")
    page.locator("form input[name=add]").last.fill("Nordhafen")
    with page.expect_response("**/lists") as answer:
        page.locator("button.main").click()
    assert answer.value.status == 404
    expect(page.locator("#toast")).to_have_text(said)


def test_while_the_model_works_the_page_says_so(visitor: Visitor) -> None:
    page = visitor("entities/acme?by=negative", refused=503)
    held: list[Route] = []
    page.route("**/explain", lambda route: held.append(route))
    ask = page.get_by_role("button", name="Why this label?").first
    ask.click()
    expect(page.get_by_text("The model works on it")).to_be_visible()
    expect(ask).to_be_disabled()
    detail = "others have asked before: try again in a moment"
    held[0].fulfill(status=503, json={"detail": detail})
    expect(page.locator("#toast")).to_have_text(f"This was not done: {detail}")
    expect(page.get_by_text("The model works on it")).to_have_count(0)
    expect(ask).to_be_enabled()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_why_a_label_is_explained_word_by_word(visitor: Visitor) -> None:
    page = visitor("entities/acme?by=negative")
    page.get_by_role("button", name="Why this label?").first.click()
    part = page.locator(".explained").first
    part.wait_for(timeout=300_000)  # the model is loaded first
    expect(part).to_contain_text("The words that moved it")
    assert part.locator("tr").count() >= 1
    page.get_by_role("button", name="Why this label?").first.click()
    expect(page.locator(".explained")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_question_is_answered_by_a_quotation_with_its_source_or_not_at_all(desk: Desk, visitor: Visitor) -> None:
    told = "Acmetron will recall 48,000 pumps after eleven fires, the safety agency said. Dealers replace a valve."
    write(desk.engine, [reading(document("asked about", 335, told, url="https://wire.example/17"), "negative")])
    page = visitor("ask")
    page.set_default_timeout(300_000)  # the model is loaded first
    page.get_by_label("Question").fill("How many pumps will Acmetron recall?")
    page.get_by_role("button", name="Ask").click()
    answer = page.locator("article.answer").first
    expect(answer.locator(".quote")).to_contain_text("48,000", timeout=300_000)
    words = answer.locator(".claim").inner_text()
    assert words in told, "word for word"
    assert f"“{words}”" == answer.locator(".quote").inner_text()
    expect(answer.locator(".meta")).to_contain_text("wire")
    expect(answer.locator(".meta")).to_contain_text("\u00a0% sure")
    assert answer.get_by_role("link", name="source").get_attribute("href") == "https://wire.example/17"
    expect(page.get_by_label("Question")).to_have_value("How many pumps will Acmetron recall?")
    page.get_by_label("Question").fill("What is the capital of France?")
    page.get_by_label("Question").press("Enter")
    expect(page.get_by_text("Not found: no stored document answers this.")).to_be_visible()
    expect(page.locator("article.answer")).to_have_count(0)


def test_charts_are_drawn_under_a_policy_that_allows_no_style_in_a_page(desk: Desk, visitor: Visitor) -> None:
    page = visitor("entities/acme")  # which fails the test where the console tells of a violation
    page.locator("[data-chart=trend] .main-svg").first.wait_for()
    drawing = page.locator("[data-chart=trend] .main-svg")
    assert drawing.count() >= 2, "Plotly's layers"
    places = {(box["x"], box["y"]) for n in range(drawing.count()) if (box := drawing.nth(n).bounding_box())}
    assert len(places) == 1, "its layers lie on each other"
    box = drawing.first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator("[data-chart=trend] .hoverlayer text").first.wait_for()
    assert page.evaluate("getComputedStyle(document.querySelector('.main-svg .draglayer')).pointerEvents") == "all"
    page.goto(desk.url)
    page.locator("[data-chart=heat] .heatmaplayer image, [data-chart=heat] .heatmaplayer path").first.wait_for()


@pytest.mark.parametrize("lang", ["en-GB", "zh-CN"])
def test_every_page_fits_a_phone(desk: Desk, visitor: Visitor, lang: str) -> None:
    page = visitor(viewport={"width": 390, "height": 800}, locale=lang, color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 26)", "dark"
    for path in PATHS:
        page.goto(desk.url + path)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, path


@pytest.mark.parametrize("lang", ["en-GB", "zh-CN"])
def test_on_a_phone_nothing_is_cut_off(desk: Desk, visitor: Visitor, lang: str) -> None:
    error = "KeyError: 'version' in what the feed’s server has answered"
    now = datetime.now(UTC)
    with desk.engine.begin() as connection:
        runs.keep(connection, "feeds", now, now, 1, None)
        runs.keep(connection, "feeds", now, now, None, error)
    alert = desk.alert("counted in the menu")
    page = visitor("system", viewport={"width": 390, "height": 800}, locale=lang)
    for tab in page.locator("#nav a").all():
        box = tab.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    expect(page.locator("#jobs")).to_contain_text(error)
    assert page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('#jobs .scroll'))") <= 0
    desk.execute("DELETE FROM alert_moves WHERE alert_id = :id", id=alert)
    desk.execute("DELETE FROM alerts WHERE alert_id = :id", id=alert)


def test_the_language_is_switched_in_place(page: Page) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Alerts").click()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("预警")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")


def test_it_can_be_walked_by_tab(page: Page) -> None:
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_without_script_forms_still_work(desk: Desk, visitor: Visitor) -> None:
    alert = desk.alert("without script")
    page = visitor("alerts", java_script_enabled=False)
    page.locator(row(page, alert)).get_by_role("button", name="Acknowledge").click()
    expect(page.locator(f"#taken {row(page, alert)}")).to_be_visible()
