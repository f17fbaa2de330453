import zlib
from collections.abc import Callable

import pytest

from tcptide import history, schema
from tcptide.clock import SYSTEM
from tcptide.model import Point
from tcptide.series import NAMES, SERIES
from tcptide.statefiles import StateError
from tcptide.store import NewerSchemaError, OlderSchemaError, Reader
from tests.storing import (
    BOOT,
    COOKIE,
    latest,
    make_sample,
    refusal,
    sql,
    store_samples,
)


def test_the_schema_is_as_its_version_says() -> None:
    """Whoever adds a table, a column or a Series raises schema.VERSION, so that an older state is migrated."""
    fingerprint = zlib.crc32("\n".join(schema.missing({})).encode())
    assert {schema.VERSION: fingerprint} == {5: 3766171831}


def test_series_names_can_be_columns() -> None:
    assert [name for name in NAMES if not name.isidentifier() or name != name.lower()] == []
    assert len(set(NAMES)) == len(SERIES)


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The program of the next version: a table and a column more."""

    def upgrade() -> None:
        columns, end = schema._TABLES["sample"]
        monkeypatch.setitem(schema._TABLES, "sample", ((*columns, "added REAL"), end))
        monkeypatch.setitem(schema._TABLES, "added", (("id INTEGER PRIMARY KEY",), ")"))
        monkeypatch.setattr(schema, "TABLES", (*schema.TABLES, "added"))
        monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)

    return upgrade


def test_an_older_schema_is_named_and_only_migrated_when_asked(
    state_dir: str, next_version: Callable[[], None]
) -> None:
    store_samples(state_dir, make_sample(0))
    next_version()
    reason = f"{state_dir}: older schema 5, run tcptide migrate"
    assert refusal(lambda: latest(state_dir), OlderSchemaError) == reason
    assert refusal(lambda: store_samples(state_dir, make_sample(1)), OlderSchemaError) == reason
    assert sql(state_dir, "PRAGMA user_version") == [(5,)]
    assert history.migrate(state_dir, SYSTEM)
    assert not history.migrate(state_dir, SYSTEM)
    store_samples(state_dir, make_sample(1))
    with Reader(state_dir) as reader:
        assert len(reader.points("host", 0, 1e10)) == 2
    assert sql(state_dir, "SELECT added FROM sample") == [(None,), (None,)]
    assert sql(state_dir, "SELECT count(*) FROM added") == [(0,)]


def test_a_series_that_is_new_is_null_in_older_rows(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    sql(state_dir, "ALTER TABLE sample DROP COLUMN unacked", "PRAGMA user_version = 0")
    reason = f"{state_dir}: older schema 0, run tcptide migrate"
    assert refusal(lambda: latest(state_dir), OlderSchemaError) == reason
    assert history.migrate(state_dir, SYSTEM)
    store_samples(state_dir, make_sample(1))
    with Reader(state_dir) as reader:
        points: list[Point] = reader.recent("host", 2)
    assert [point.values["unacked"] for point in points] == [None, 321]
    assert [(point.boot_id, point.netns_cookie) for point in points] == [(BOOT, COOKIE)] * 2


def test_a_state_without_reports_gets_their_table(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    sql(state_dir, "DROP TABLE report", "PRAGMA user_version = 2")
    assert refusal(lambda: latest(state_dir), OlderSchemaError) == f"{state_dir}: older schema 2, run tcptide migrate"
    assert history.migrate(state_dir, SYSTEM)
    with Reader(state_dir) as reader:
        assert (reader.reports("host"), len(reader.recent("host", 2))) == ([], 1)


def test_a_newer_schema_is_left_alone(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    sql(state_dir, "PRAGMA user_version = 99")
    reason = f"{state_dir}: schema 99 of a newer tcptide"
    assert refusal(lambda: latest(state_dir), NewerSchemaError) == reason
    assert refusal(lambda: store_samples(state_dir, make_sample(1)), NewerSchemaError) == reason
    assert refusal(lambda: history.migrate(state_dir, SYSTEM), NewerSchemaError) == reason
    assert sql(state_dir, "SELECT count(*) FROM sample") == [(1,)]


def test_a_migration_that_fails_changes_nothing(
    state_dir: str, next_version: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    store_samples(state_dir, make_sample(0))
    next_version()
    monkeypatch.setitem(schema._TABLES, "wrong", (("no column (",), ")"))
    with pytest.raises(StateError, match="syntax error"):
        history.migrate(state_dir, SYSTEM)
    assert sql(state_dir, "PRAGMA user_version") == [(5,)]
    assert sql(state_dir, "SELECT name FROM sqlite_master WHERE name = 'added'") == []
