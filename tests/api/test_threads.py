"""On which threads routes run."""

from __future__ import annotations

import threading

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from voxpop.api.threads import ANSWERING, few, long


def test_what_waits_for_a_model_keeps_nobody_from_the_store() -> None:
    api, model = FastAPI(lifespan=few), threading.Event()

    @api.get("/model/{name}")
    @long
    def of_model(request: Request, name: str) -> str:
        assert model.wait(30)
        return f"{request.method} {name}"

    @api.get("/store")
    def of_store() -> int:
        return threading.active_count()

    with TestClient(api) as client:
        answers: list[str] = []
        asking = [
            threading.Thread(target=lambda: answers.append(client.get("/model/small").json()))
            for _ in range(2 * ANSWERING)
        ]
        for thread in asking:
            thread.start()
        assert client.get("/store").is_success
        assert answers == []
        model.set()
        for thread in asking:
            thread.join()
    assert answers == ["GET small"] * len(asking)


def test_no_more_routes_than_few_are_answered_from_the_store_at_once() -> None:
    api = FastAPI(lifespan=few)

    @api.get("/limit")
    async def limit() -> float:
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    with TestClient(api) as client:
        assert client.get("/limit").json() == ANSWERING
