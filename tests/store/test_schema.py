"""The migrations build what ``store.tables`` says, and take it back."""

from __future__ import annotations

import threading

import pytest
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from tests.store import filled
from voxpop.errors import SettingError, StoreError
from voxpop.store import schema


def test_the_migrated_database_is_what_the_tables_say(engine: Engine) -> None:
    assert schema.difference(engine) == []
    schema.require(engine)


def test_the_revisions_are_those_that_alembic_finds(engine: Engine) -> None:
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    assert schema.path() == [script.revision for script in scripts.walk_revisions()][::-1]
    assert schema.newest() == scripts.get_current_head()
    for revision in ("0001", "base"):
        schema.downgrade(engine, revision)
        with engine.connect() as connection:
            assert schema.current(engine) == MigrationContext.configure(connection).get_current_revision()


def test_a_schema_that_is_not_ours_is_refused_with_the_command_to_run(empty_url: str) -> None:
    engine = create_engine(empty_url)
    with pytest.raises(StoreError, match="voxpop db upgrade"):
        schema.require(engine)
    engine.dispose()


def test_back_to_the_base_and_forward_again(engine: Engine) -> None:
    schema.downgrade(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert inspect(engine).get_view_names() == []
    schema.upgrade(engine)
    assert schema.difference(engine) == []


def test_programs_that_start_at_once_migrate_one_after_the_other(empty_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        engine = create_engine(empty_url)
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


def test_down_to_the_first_and_up_again_loses_nothing_that_the_older_schema_can_hold(engine: Engine) -> None:
    with engine.begin() as connection:
        filled.fill(connection)
    with engine.connect() as connection:
        whole = filled.by_column(connection)
    for revision in reversed(schema.path()[:-1]):
        schema.downgrade(engine, revision)
        with engine.connect() as connection:
            kept = filled.by_column(connection)
        assert kept == {name: whole[name] for name in kept}, f"the step back to {revision} lost or made up something"
        assert all(kept.values())
    with engine.connect() as connection:
        first = filled.columns(connection)
        before = filled.held(connection, first)
    assert {"documents", "opinions", "alerts", "log_records"} <= first.keys()
    for revision in schema.path():
        schema.upgrade(engine, revision)
        with engine.begin() as connection:
            assert filled.held(connection, first) == before, f"the step to {revision} lost something"
            filled.fill(connection)  # what the step added holds something at the next one
    assert schema.difference(engine) == []


def test_a_revision_that_does_not_exist_or_lies_ahead_is_refused(engine: Engine) -> None:
    with pytest.raises(SettingError, match="no schema to go back to"):
        schema.downgrade(engine, "nonsense")
    schema.downgrade(engine, "0001")
    with pytest.raises(SettingError, match="no schema to go back to"):
        schema.downgrade(engine, schema.newest())


def test_a_database_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for act in (schema.upgrade, lambda e: schema.downgrade(e, "base")):
        with pytest.raises(StoreError, match="newer than this version"):
            act(engine)
