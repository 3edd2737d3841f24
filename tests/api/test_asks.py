"""What the API takes, by the shipped model: texts of many callers, items, questions; all that its description allows.

One module, so that the model is loaded once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance
from sqlalchemy import Engine, text

from tests.api.conftest import url_of
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.records import Entity, Name, document_id
from voxpop.runner import run
from voxpop.settings import Settings
from voxpop.store import access

ADMIN = "a-token-of-thirty-two-characters"
NEWS = [
    (
        "1",
        "Voltane to recall 48,000 cars over brake software",
        "The recall follows eleven crashes, the road safety agency said.",
    ),
    ("2", "Voltane appoints Mary Holt as chief executive", "She succeeds Per Lund, who leaves in May."),
    ("3", "Oakhaven opens a bakery in Lyon", "Oakhaven Foods said the bakery would employ 60 people."),
    ("4", "云杉银行一季度净利润下降12%", "云杉银行公告称，一季度净利润降至34亿元，主因房地产贷款坏账增加。"),
]
TEXTS = [
    "Voltane Motors recalls 48,000 cars after eleven crashes.",
    "I am very happy with the new phone.",
    "Oakhaven Foods reported record profits and raised its dividend.",
    "丰泽乳业今日发布公告。",
    "<p></p>",
]


@pytest.fixture(scope="module")
def app(store: Engine, home: Path) -> Iterator[App]:
    settings = Settings(
        database_url=url_of(store), home=home, port=0, admin_token=ADMIN, requests_per_minute=0, analyze_waiting=128
    )
    voltane = Entity(id="voltane", name="Voltane Motors", aliases=(Name(text="Voltane"),))
    with App(settings) as app:
        oakhaven = Entity(id="oakhaven", name="Oakhaven Foods", aliases=(Name(text="Oakhaven"),))
        app.watch([voltane, oakhaven, Entity(id="yunshan", name="Spruce Bank", aliases=(Name(text="云杉银行"),))])
        yield app


@pytest.fixture(scope="module")
def url(app: App) -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def api(url: str) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {ADMIN}"}
    with httpx.Client(base_url=f"{url}v1/", headers=headers, trust_env=False, timeout=120) as client:
        yield client


def item(key: str, title: str, body: str, **more: Any) -> dict[str, Any]:
    at = f"2026-03-1{key}T09:30:00Z"
    return {"source": "wire", "id": key, "channel": "news", "published_at": at, "title": title, "text": body, **more}


@pytest.fixture(scope="module")
def told(api: httpx.Client, app: App) -> dict[str, Any]:
    """What was answered to items that were pushed twice over, once they are read."""
    items = [item(*one) for one in NEWS]
    first = api.post("items", json={"items": [*items, {"source": "wire"}, items[0]]})
    assert first.status_code == 202
    assert api.post("items", json={"items": items}).json()["accepted"] == len(NEWS)
    run(app, threading.Event(), until_idle=True)
    answer: dict[str, Any] = first.json()
    return answer


def test_items_are_taken_once_however_often_they_are_sent(told: dict[str, Any], store: Engine) -> None:
    ids = [document_id("wire", key) for key, *_ in NEWS]
    assert told["documents"] == [*ids, ids[0]]
    assert told["accepted"] == len(NEWS) + 1
    with store.connect() as connection:
        found = connection.execute(text("SELECT document_id FROM documents ORDER BY published_at")).scalars().all()
    assert found == ids


def test_an_item_that_is_refused_says_why_and_lies_in_the_dead_letters(told: dict[str, Any], store: Engine) -> None:
    assert told["refused"] == [{"position": len(NEWS), "field": "published_at", "reason": "published_at is missing"}]
    with store.connect() as connection:
        letter = connection.execute(text("SELECT reason, origin, position FROM dead_letters")).one()
        trail = [row for row in access.audited(connection) if row.what == "items pushed"]
    assert tuple(letter) == ("published_at is missing", "push by administrator", len(NEWS))
    assert [row.details["accepted"] for row in trail] == [len(NEWS), len(NEWS) + 1], "every push stands in the trail"


def test_who_only_reads_pushes_nothing(url: str, store: Engine) -> None:
    with store.begin() as connection:
        _, secret = access.create_token(connection, "reader", "viewer", "test", datetime.now(UTC))
    body = {"items": [item(*NEWS[0])]}
    done = httpx.post(f"{url}v1/items", json=body, headers={"authorization": f"Bearer {secret}"}, trust_env=False)
    assert done.status_code == 403


def test_an_answer_is_a_quotation_with_its_source(told: dict[str, Any], api: httpx.Client, store: Engine) -> None:
    found = api.post("ask", json={"question": "How many cars does Voltane recall?"}).json()
    best = found["answers"][0]
    assert "48,000" in best["text"]
    assert (best["document"], best["source"]) == (document_id("wire", "1"), "wire")
    assert found["entities"] == ["voltane"]
    with store.connect() as connection:
        said = connection.execute(
            text("SELECT text FROM documents WHERE document_id = :d AND revision = :r"),
            {"d": best["document"], "r": best["revision"]},
        ).scalar_one()
    assert said[best["start"] : best["end"]] == best["text"]
    assert best["text"] in best["passage"]


@pytest.mark.parametrize("mark", ["？", "?", " ?", "", "??"])
def test_a_chinese_question_is_answered_whatever_mark_it_ends_with(
    told: dict[str, Any], api: httpx.Client, mark: str
) -> None:
    found = api.post("ask", json={"question": f"云杉银行净利润为何下降{mark}"}).json()
    assert "坏账" in found["answers"][0]["text"]
    assert found["entities"] == ["yunshan"]


@pytest.mark.parametrize(
    "asked",
    [
        {"question": "What is the capital of France?"},
        {"question": "谁收购了云杉银行?"},
        {"question": "How many cars does Voltane recall?", "as_of": "2026-01-01T00:00:00Z"},
        {"question": "How many cars does Voltane recall?", "end": "2026-03-11T00:00:00Z"},
        {"question": "How many cars does Voltane recall?", "entities": ["oakhaven"]},
        {"question": "？？？"},
        {"question": "' | !( & \\ :* <-> '"},
    ],
)
def test_what_is_not_told_is_not_found(told: dict[str, Any], api: httpx.Client, asked: dict[str, Any]) -> None:
    answer = api.post("ask", json=asked)
    assert answer.status_code == 200
    assert (answer.json()["found"], answer.json()["answers"]) == (False, [])


def test_many_callers_get_what_one_alone_would(api: httpx.Client) -> None:
    alone = [api.post("analyze", json={"texts": [{"text": words}]}).json()["results"][0] for words in TEXTS]
    assert [(r["read"], r["lang"], bool(r["refused"])) for r in alone] == [
        (True, "en", False),
        (True, "en", False),
        (True, "en", False),
        (True, "zh", False),
        (False, "other", True),
    ]
    assert [o["entity"] for o in alone[0]["opinions"]] == ["voltane"]
    assert alone[0]["claims"][0]["text"] == "recalls 48,000 cars"
    assert alone[1]["sentiment"]["label"] == "positive"
    with ThreadPoolExecutor(16) as pool:
        several = list(pool.map(lambda n: _analysed(api, [TEXTS[n % 5], TEXTS[(n + 1) % 5]]), range(32)))
    for n, results in enumerate(several):
        assert results == [alone[n % 5], alone[(n + 1) % 5]]


def _analysed(api: httpx.Client, texts: list[str]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = api.post("analyze", json={"texts": [{"text": t} for t in texts]}).json()["results"]
    return results


def test_more_than_may_wait_is_told_to_come_again(api: httpx.Client, app: App) -> None:
    let, reader = threading.Event(), app.reader()
    topics = reader.topics
    reader.topics = lambda texts: let.wait(60) and topics(texts)  # type: ignore[method-assign, assignment, return-value]
    try:
        with ThreadPoolExecutor(5) as pool:
            body = {"texts": [{"text": f"A busy day, number {n}."} for n in range(64)]}
            first = [pool.submit(api.post, "analyze", json=body) for _ in range(5)]
            while sum(future.done() for future in first) < 1:
                threading.Event().wait(0.05)
            refused = next(future.result() for future in first if future.done())
            let.set()
            codes = sorted(future.result().status_code for future in first)
    finally:
        reader.topics = topics  # type: ignore[method-assign]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert codes in ([200] * 4 + [503], [200] * 3 + [503] * 2), "two may wait, beside the one or two that are computed"


ACTS = ("acknowledge", "resolve", "comments", "silence")
EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))
"""Of each operation and kind."""


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_all_that_the_description_allows_and_much_that_it_does_not(
    told: dict[str, Any], url: str, mode: schemathesis.GenerationMode
) -> None:
    """But for two things: that nobody comes in unnamed is tested by itself, and nobody can make up a cursor."""
    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}openapi.json", trust_env=False).json())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    session = requests.Session()
    session.trust_env = False
    assert {"/v1/entities", "/v1/trends", "/v1/alerts", "/v1/claims", "/v1/stories"} < {o.path for o in operations}
    assert {"/v1/analyze", "/v1/items", "/v1/ask", "/v1/silences/{silence}"} < {o.path for o in operations}
    assert {f"/v1/alerts/{{alert}}/{act}" for act in ACTS} < {o.path for o in operations}
    for operation in operations:
        if operation.path == "/healthz" and mode == schemathesis.GenerationMode.NEGATIVE:
            continue  # takes nothing that could be wrong
        cases = operation.as_strategy(generation_mode=mode)

        @seed(7)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def check(case: schemathesis.Case[Any]) -> None:
            headers = {"authorization": f"Bearer {ADMIN}"}
            excluded = [ignored_auth, *([positive_data_acceptance] if "cursor" in (case.query or {}) else ())]
            if {"true", "false", "null", "none"} & {str(value).lower() for value in (case.query or {}).values()}:
                excluded.append(negative_data_rejection)  # what is no string when it is made is one when it arrives
            case.call_and_validate(
                base_url=url, session=session, headers=headers, excluded_checks=excluded, timeout=120
            )

        try:
            check()
        except FailureGroup as found:
            pytest.fail(str(found), pytrace=False)
