"""What people say belongs to them and not to their name, before and after the schema learnt to tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from voxpop.errors import Refused, StoreError
from voxpop.records import Entity
from voxpop.store import access, people, schema, watchlist
from voxpop.store.access import Person

NOW = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)
JANE, OTHER_JANE = Person("user:1", "jane"), Person("user:2", "jane")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        watchlist.replace(connection, [Entity(id="acme", name="Acmetron")])
        yield connection


def test_two_of_one_name_have_lists_of_their_own_and_one_keeps_hers_under_another_name(connection: Connection) -> None:
    people.keep_list(connection, JANE, "mine", ["acme"], NOW)
    people.keep_list(connection, OTHER_JANE, "mine", [], NOW)
    assert people.lists_of(connection, JANE._replace(name="jane.doe")) == {"mine": ["acme"]}
    assert people.lists_of(connection, OTHER_JANE) == {"mine": []}
    assert people.drop_list(connection, OTHER_JANE, "mine")
    assert people.lists_of(connection, JANE) == {"mine": ["acme"]}


def test_a_comment_sent_again_is_one_and_the_same_words_of_another_are_another(connection: Connection) -> None:
    first, new = people.comment(connection, "a", JANE, "on it", NOW)
    assert new
    assert people.comment(connection, "a", JANE._replace(name="renamed"), "on it ", NOW) == (first, False)
    assert people.comment(connection, "a", OTHER_JANE, "on it", NOW)[1]
    kept, new = people.comment(connection, "a", JANE, "on it", NOW, "case 17")
    assert new
    assert people.comment(connection, "a", JANE, "on it", NOW.replace(hour=23), "case 17") == (kept, False)
    with pytest.raises(Refused, match="another comment"):
        people.comment(connection, "a", JANE, "off it", NOW, "case 17")
    assert len(people.comments_on(connection, ["a"])["a"]) == 3


def test_the_same_words_within_a_minute_are_one_comment_whatever_the_clock_shows(connection: Connection) -> None:
    def said(seconds: float, by: Person = JANE) -> tuple[str, bool]:
        kept, new = people.comment(connection, "b", by, "on it", NOW + timedelta(seconds=seconds))
        return kept.id, new

    first, new = said(50)
    assert new
    assert said(59) == said(61) == said(109) == (first, False)
    assert said(62, OTHER_JANE)[1]
    assert said(111)[1]


def before(connection: Connection) -> None:
    """What lay in a store whose people were names."""
    for user, name in (("1", "jane"), ("2", "jane"), ("3", "joe")):
        row = {"user": user, "name": name}
        connection.execute(
            text("INSERT INTO users VALUES (:user, 'https://id.example', :user, :name, 'analyst', now(), now())"), row
        )
    access_tokens = "INSERT INTO api_tokens (token_hash, token_id, name, role, who, received_at, revoked_at) VALUES"
    connection.execute(text(f"{access_tokens} ('h1', 't1', 'robot', 'analyst', 'joe', now(), now())"))
    connection.execute(text(f"{access_tokens} ('h2', 't2', 'robot', 'analyst', 'joe', now(), NULL)"))
    for who in ("jane", "joe", "robot", "local operator", "gone"):
        row = {"who": who}
        connection.execute(text("INSERT INTO own_lists VALUES (:who, 'mine', ARRAY['acme'], now())"), row)
        connection.execute(text("INSERT INTO alert_comments VALUES (:who, 'a', :who, 'said', now())"), row)
        connection.execute(
            text("INSERT INTO reviews VALUES ('d', 'r', 'acme', :who, 'm', 'neutral', 'negative', now())"), row
        )
    for number, who in enumerate(("voxpop", "joe"), 1):
        move: dict[str, int | str] = {"number": number, "who": who}
        connection.execute(text("INSERT INTO alert_moves VALUES ('a', :number, 'acknowledged', '', :who, now())"), move)


def whose(connection: Connection, table: str) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for who, person in connection.execute(text(f"SELECT who, person FROM {table}")):
        found.setdefault(who, set()).add(person)
    return found


def test_what_names_had_goes_to_their_people_and_what_two_shared_to_both(engine: Engine) -> None:
    schema.downgrade(engine, "0013")
    with engine.begin() as connection:
        before(connection)
    schema.upgrade(engine, "0014")
    alone = {"joe": {"user:3"}, "local operator": {"local"}, "gone": {"name:gone"}}
    with engine.connect() as connection:
        assert whose(connection, "own_lists") == {
            **alone,
            "jane": {"user:1", "user:2"},
            "robot": {"token:t1", "token:t2"},
        }
        for table in ("reviews", "alert_comments"):
            assert whose(connection, table) == {
                **alone,
                "jane": {"name:jane"},
                "robot": {"name:robot"},
            }, f"{table}: a newer token is not given what one of its name did before it was revoked"
        assert whose(connection, "alert_moves") == {"voxpop": {None}, "joe": {"user:3"}}
    schema.downgrade(engine, "0013")
    with engine.connect() as connection:
        lists = connection.execute(text("SELECT who FROM own_lists ORDER BY who")).scalars().all()
    assert lists == ["gone", "jane", "jane (user:2)", "joe", "local operator", "robot", "robot (token:t2)"]


def test_a_silence_of_a_name_goes_to_its_person_where_only_one_has_it(engine: Engine) -> None:
    schema.downgrade(engine, "0014")
    with engine.begin() as connection:
        for user, name in (("1", "jane"), ("2", "jane"), ("3", "joe")):
            access.sign_in(connection, "https://id.example", user, name, "analyst", datetime.now(UTC))
        for who in ("jane", "joe", "local operator", "gone"):
            values = ":who, now(), now(), :who, '', 'acme', '', '', 'serious', now()"
            connection.execute(text(f"INSERT INTO silences VALUES ({values})"), {"who": who})
    schema.upgrade(engine, "0015")
    with engine.connect() as connection:
        joe = connection.execute(text("SELECT 'user:' || user_id FROM users WHERE name = 'joe'")).scalar_one()
        found = whose(connection, "silences")
    known: dict[str, set[str | None]] = {"joe": {joe}, "local operator": {"local"}}
    assert found == known | {"jane": {"name:jane"}, "gone": {"name:gone"}}


DAY = timedelta(days=1)


def signed_in(connection: Connection, subject: str, name: str, now: datetime) -> tuple[str, str]:
    """A person's id, and the secret of a new session of theirs."""
    user = access.sign_in(connection, "https://id.example", subject, name, "analyst", now)
    return f"user:{user}", access.begin_session(connection, now, DAY, user_id=user)


def test_the_sessions_of_one_person_are_listed_and_ended(connection: Connection) -> None:
    now = datetime.now(UTC)
    for subject, name in (("1", "jane"), ("2", "jane"), ("3", "joe"), ("3", "joe")):
        _, secret = signed_in(connection, subject, name, now)
    access.begin_session(connection, now, DAY, token_hash=access.hashed("of the settings"))
    signed_in(connection, "4", "jim", now - 2 * DAY)
    with pytest.raises(StoreError, match="2 people of the name 'jane'"):
        access.end_sessions(connection, "jane", "root", now)
    listed = access.list_sessions(connection, now, "of the settings")
    names = sorted(session.name for session in listed)
    assert names == ["administrator", "jane", "jane", "joe", "joe"], "the one that is over is not listed"
    assert access.end_sessions(connection, "joe", "root", now) == 2
    assert access.session_of(connection, secret, now) is None
    assert access.end_sessions(connection, "joe", "root", now) == 0
    assert access.end_sessions(connection, "administrator", "root", now, "of the settings") == 1
    trail = [(row.who, row.person, row.details["sessions"]) for row in access.audited(connection)]
    assert trail == [("root", "shell:root", 1), ("root", "shell:root", 2)]


def test_an_id_is_meant_before_a_name(connection: Connection) -> None:
    now = datetime.now(UTC)
    jane, hers = signed_in(connection, "1", "jane", now)
    _, of_the_name = signed_in(connection, "2", jane, now)
    assert access.end_sessions(connection, jane, "root", now) == 1
    assert access.session_of(connection, hers, now) is None
    assert access.session_of(connection, of_the_name, now) is not None


def test_a_session_that_lets_nobody_in_is_not_listed_and_one_of_an_unknown_token_is_nobodys(
    connection: Connection,
) -> None:
    now = datetime.now(UTC)
    for name, expires in (("robot", None), ("old robot", now + timedelta(hours=1))):
        _, token = access.create_token(connection, name, "viewer", "root", now, expires)
        access.begin_session(connection, now, DAY, token_hash=access.hashed(token))
    access.begin_session(connection, now, DAY, token_hash=access.hashed("of other settings"))
    later = access.list_sessions(connection, now + timedelta(hours=2), "of the settings")
    assert sorted((one.person[:6], one.name, one.role) for one in later) == [
        ("token:", "robot", "viewer"),
        ("unknow", "unknown", ""),
    ]
    assert access.end_sessions(connection, "administrator", "root", now, "of the settings") == 0
    assert access.end_sessions(connection, "unknown", "root", now) == 1
