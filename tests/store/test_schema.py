"""The migrations build what ``tables.py`` says, and take it back."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine, create_engine, inspect

from voxpop.errors import StoreError
from voxpop.store import schema


def test_the_migrated_database_is_what_the_tables_say(engine: Engine) -> None:
    assert schema.difference(engine) == []
    schema.require(engine)


def test_a_schema_that_is_not_ours_is_refused_with_the_command_to_run(database_url: str) -> None:
    engine = create_engine(database_url)
    with pytest.raises(StoreError, match="voxpop db upgrade"):
        schema.require(engine)
    engine.dispose()


def test_back_to_the_base_and_forward_again(engine: Engine) -> None:
    schema.downgrade(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert inspect(engine).get_view_names() == []
    schema.upgrade(engine)
    assert schema.difference(engine) == []


def test_programs_that_start_at_once_migrate_one_after_the_other(database_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        engine = create_engine(database_url)
        try:
            schema.upgrade(engine)
        except BaseException as failure:  # noqa: BLE001 - shown by the assertion
            failures.append(failure)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
