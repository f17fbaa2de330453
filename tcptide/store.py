"""The database of samples: the only importer of sqlite3.

A Reader opens it read-only, a Writer (tcptide.writer) under sampling.lock; both are context managers for a short while.
Not WAL: its readers need a writable shared-memory file, which a member of the owner's group hasn't got. Every error is
a StateError, 'PATH: REASON'.
"""

# ruff: noqa: S608 - the queries are made of constants, values are bound

import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from tcptide import codec, outlook, schema, statefiles
from tcptide.errors import StoreError
from tcptide.model import Event, Looks, Point, Report, Rollup, Sample, Source, Standing, Verdict
from tcptide.outlook import Outlook
from tcptide.series import NAMES
from tcptide.statefiles import DATABASE, StateError

__all__ = [
    "DamagedError",
    "NewerSchemaError",
    "NoHistoryError",
    "OlderSchemaError",
    "Reader",
    "StateError",
]

#: No wait inside SQLite may outlast this: signals, and so the alarm of -t, are not handled meanwhile.
_BUSY_SECONDS = 1.0


def _point(names: Sequence[str]) -> str:
    return f"id, wall, boottime, boot_id, netns_cookie, {', '.join(names)}"


POINT = _point(NAMES)
#: The name of the row of `detector` that holds what the history says.
DETECTOR = "lookout"
SOURCE = "source_id = (SELECT id FROM source WHERE name = ?)"
_NUMBERS = {int, float, type(None)}


def as_points(rows: Iterable[Any], names: Sequence[str] = NAMES) -> list[Point]:
    """The Points of rows of POINT's columns, or of those with other Series.

    SQLite takes text for a number: a row with some is a gap, as if it were lost.
    """
    found = []
    for id, wall, boottime, boot_id, netns_cookie, *values in rows:
        if {type(wall), type(boottime)} <= {int, float} and set(map(type, values)) <= _NUMBERS:
            found.append(Point(id, wall, boottime, boot_id, netns_cookie, dict(zip(names, values, strict=True))))
    return found


class DamagedError(StateError):
    """SQLite says that the file is corrupt or no database."""


class NoHistoryError(StateError):
    """There is no database yet, or an empty one."""


class OlderSchemaError(StateError):
    """The database was made by an older tcptide; `tcptide migrate` and `tcptide sample` bring it up to date."""


class NewerSchemaError(StateError):
    """The database was made by a newer tcptide."""


@contextmanager
def errors(directory: str) -> Iterator[None]:
    """SQLite's errors as ours; a busy database and a journal that waits for its owner are no damage."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedError(directory, f"{DATABASE} is damaged") from None
        if code == sqlite3.SQLITE_READONLY_ROLLBACK:
            raise StateError(directory, "a write was cut short, its owner's next look repairs it") from None
        if code & 0xFF == sqlite3.SQLITE_BUSY:
            raise StateError(directory, f"{DATABASE} is busy") from None
        if code & 0xFF == sqlite3.SQLITE_CANTOPEN:
            statefiles.demand_access(directory)
        raise StateError(directory, str(error)) from None
    except UnicodeDecodeError:  # in the schema, which is text of SQLite's own
        raise DamagedError(directory, f"{DATABASE} is damaged") from None
    except (OverflowError, UnicodeEncodeError) as error:  # a number over 64 bits, a lone surrogate in a name
        raise StateError(directory, str(error)) from None


def connect(directory: str, mode: str) -> sqlite3.Connection:
    """The database of a directory, opened with mode 'ro' or 'rw'; it must exist."""
    path = os.path.join(os.path.realpath(directory), DATABASE)
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{quoted}?mode={mode}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        # SQLite follows links. Nothing has been read or written yet, so there is no gap between this and the use.
        if connection.execute("PRAGMA database_list").fetchone()[2] != path:
            raise StateError(directory, f"{DATABASE} is a symbolic link")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = _text
    except BaseException:
        connection.close()
        raise
    return connection


def _number(stored: object) -> float | None:
    """SQLite takes text for a number: then it is lost."""
    return float(stored) if isinstance(stored, int | float) else None


def _text(stored: bytes) -> str:
    """Text that is no UTF-8 any more is one value that differs, not the end of the query."""
    return stored.decode("utf-8", "replace")


class Reader(AbstractContextManager["Reader"]):
    """Reads the state; never writes, creates or locks more than SQLite's shared lock for the length of one query.

    Entering raises StateError: NoHistoryError, DamagedError, OlderSchemaError, NewerSchemaError, or what else keeps
    the file from being read; the methods raise it too. A source that isn't known has nothing.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._connection: sqlite3.Connection

    def __enter__(self) -> Self:
        if not statefiles.check_files(self.directory):
            raise NoHistoryError(self.directory, "no samples yet")
        with errors(self.directory):
            self._connection = connect(self.directory, "ro")
            try:
                self._check_version()
            except BaseException:
                self._connection.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def sources(self) -> list[Source]:
        """Every source, by name."""
        rows = self._rows("SELECT name, hostname, simulated FROM source ORDER BY name")
        return [Source(name, hostname, bool(simulated)) for name, hostname, simulated in rows]

    def latest(self, source: str) -> Sample | None:
        """The newest look that was stored; None if there is none that this version of the program understands."""
        rows = self._rows(f"SELECT sample FROM latest WHERE {SOURCE}", source)
        try:
            return codec.sample_from_json(rows[0][0]) if rows else None
        except StoreError:
            return None

    def points(self, source: str, since_wall: float, until_wall: float, names: Sequence[str] = NAMES) -> list[Point]:
        """The history rows with since_wall <= wall clock < until_wall, in the order they were stored.

        names: the Series that the values are to have.
        """
        query = f"SELECT {_point(names)} FROM sample WHERE {SOURCE} AND wall >= ? AND wall < ? ORDER BY id"
        return as_points(self._rows(query, source, since_wall, until_wall), names)

    def before(self, source: str, wall: float) -> Point | None:
        """The history row that is next before this wall clock; what a time's first row is compared with."""
        query = f"SELECT {POINT} FROM sample WHERE {SOURCE} AND wall < ? ORDER BY wall DESC, id DESC LIMIT 1"
        found = as_points(self._rows(query, source, wall))
        return found[0] if found else None

    def rollups_before(self, source: str, wall: float) -> bool:
        """Whether there is a quarter that began before this wall clock."""
        query = f"SELECT 1 FROM rollup WHERE {SOURCE} AND quarter < ? LIMIT 1"
        return bool(self._rows(query, source, wall / schema.QUARTER_SECONDS))

    def recent(self, source: str, number: int) -> list[Point]:
        """The last history rows, oldest first."""
        query = f"SELECT {POINT} FROM sample WHERE {SOURCE} ORDER BY id DESC LIMIT ?"
        return as_points(reversed(self._rows(query, source, number)))

    def last_rows(self, source: str, number: int, before_id: int | None = None) -> list[tuple[Point, str]]:
        """The last history rows, or those before one, oldest first, with their top lists as JSON."""
        query = f"SELECT {POINT}, top FROM sample WHERE {SOURCE} AND id < ? ORDER BY id DESC LIMIT ?"
        rows = reversed(self._rows(query, source, sys.maxsize if before_id is None else before_id, number))
        return [(point, top) for *columns, top in rows for point in as_points([columns])]

    def tops(self, source: str, since_wall: float, until_wall: float) -> list[tuple[float, codec.Top]]:
        """(wall clock seconds, top lists) of the rows that points() gives. Raises StoreError for malformed ones."""
        query = f"SELECT wall, top FROM sample WHERE {SOURCE} AND wall >= ? AND wall < ? ORDER BY id"
        return [(wall, codec.top_from_json(top)) for wall, top in self._rows(query, source, since_wall, until_wall)]

    def tops_of(self, ids: Sequence[int]) -> list[tuple[int, float, codec.Top]]:
        """(id, wall clock seconds, top lists) of some rows, oldest first; without malformed ones."""
        query = "SELECT id, wall, top FROM sample WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        found = []
        for id, wall, top in self._rows(query, json.dumps(ids)):
            with suppress(StoreError):
                found.append((id, wall, codec.top_from_json(top)))
        return found

    def verdicts(self, source: str, since_wall: float, until_wall: float) -> dict[int, Verdict]:
        """What was said of the rows that points() gives, by id; rows that were never judged have none."""
        query = (
            f"SELECT id, pattern, pattern_since, expected FROM sample WHERE {SOURCE}"
            " AND wall >= ? AND wall < ? AND typeof(pattern) = 'text'"
        )
        rows = self._rows(query, source, since_wall, until_wall)
        return {
            id: Verdict(pattern, _number(since), _number(expected), None, None, None)
            for id, pattern, since, expected in rows
        }

    def looks(self, source: str, since_wall: float, until_wall: float) -> list[Looks]:
        """How the rows that points() gives were taken, the most usual first."""
        query = (
            "SELECT method, privileged, unseen, count(*), avg(dump_seconds) FROM sample"
            f" WHERE {SOURCE} AND wall >= ? AND wall < ? GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3"
        )
        found = []
        for method, privileged, unseen, samples, seconds in self._rows(query, source, since_wall, until_wall):
            lines = (*unseen.split("\n"),) if unseen else ()
            found.append(Looks(method, None if privileged is None else bool(privileged), lines, samples, seconds))
        return found

    def outlook(self, source: str) -> Outlook | None:
        """What the history says as of its newest row; None if nothing that this version of the program understands."""
        rows = self._rows(f"SELECT outlook FROM detector WHERE {SOURCE} AND name = ?", source, DETECTOR)
        try:
            return outlook.from_json(rows[0][0]) if rows and rows[0][0] else None
        except StoreError:
            return None

    def rollups(
        self, source: str, statistic: str, since_wall: float, until_wall: float, names: Sequence[str] = NAMES
    ) -> list[Rollup]:
        """One statistic ('min', 'mean', 'max', 'p95') of the quarters that begin in the time, oldest first.

        names: the Series that the values are to have. The quarter of the newest row isn't among them: it is unfinished,
        trends.roll_up makes it from points().
        """
        query = (
            f"SELECT quarter, samples, covered_seconds, {', '.join(names)} FROM rollup WHERE {SOURCE} AND statistic = ?"
            " AND quarter >= ? AND quarter < ? ORDER BY quarter"
        )
        since, until = since_wall / schema.QUARTER_SECONDS, until_wall / schema.QUARTER_SECONDS
        rows = self._rows(query, source, statistic, since, until)
        return [
            Rollup(statistic, quarter, samples, covered, dict(zip(names, values, strict=True)))
            for quarter, samples, covered, *values in rows
        ]

    def means_and_maxima(
        self, source: str, since_wall: float, until_wall: float, rows: int, names: Sequence[str] = NAMES
    ) -> Iterator[list[tuple[float | None, ...]]]:
        """(quarter, covered seconds, means, maxima) of the quarters that begin in the time, so many rows at once.

        Means and maxima are in the order of the names; for long times, whose rollups would be many objects.
        """
        numbers = (f"{table}.{name}" for table in "mx" for name in names)
        query = (
            f"SELECT m.quarter, m.covered_seconds, {', '.join(numbers)} FROM rollup m JOIN rollup x"
            f" ON x.source_id = m.source_id AND x.statistic = 'max' AND x.quarter = m.quarter WHERE m.{SOURCE}"
            " AND m.statistic = 'mean' AND m.quarter >= ? AND m.quarter < ? ORDER BY m.quarter"
        )
        since, until = since_wall / schema.QUARTER_SECONDS, until_wall / schema.QUARTER_SECONDS
        with errors(self.directory):
            cursor = self._connection.execute(query, (source, since, until))
            while found := cursor.fetchmany(rows):
                yield found

    def events(self, source: str, since_wall: float, until_wall: float) -> list[Event]:
        """The recorded changes of state, in the order they were stored."""
        query = (
            "SELECT id, wall, name, kind, old, new, code, message, finding FROM event"
            f" WHERE {SOURCE} AND wall >= ? AND wall < ? ORDER BY id"
        )
        return [Event(*row) for row in self._rows(query, source, since_wall, until_wall)]

    def last_events(self, source: str, wall: float) -> list[Event]:
        """The last change of each service, and of the pattern, before this wall clock, by name."""
        query = (
            "SELECT max(id), wall, name, kind, old, new, code, message, finding FROM event"
            f" WHERE {SOURCE} AND wall < ? AND kind IN ('threshold', 'pattern') GROUP BY kind, name ORDER BY name"
        )
        return [Event(*row) for row in self._rows(query, source, wall)]

    def standing(self, source: str) -> list[Standing]:
        """What is the case now, for each recorded service, by name."""
        query = f"SELECT name, state, since, seen, code FROM standing WHERE {SOURCE} ORDER BY name"
        return [Standing(*row) for row in self._rows(query, source)]

    def reports(self, source: str) -> list[Report]:
        """The last report of each period, in the order in which they were made."""
        query = (
            "SELECT label, since, until, made, path, mail, message_id, pending, mailed, failure FROM report"
            f" WHERE {SOURCE} ORDER BY made"
        )
        return [
            Report(label, since, until, made, path, mail, message_id, tuple((pending or "").split()), mailed, failure)
            for label, since, until, made, path, mail, message_id, pending, mailed, failure in self._rows(query, source)
        ]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with errors(self.directory):
            return self._connection.execute(query, values).fetchall()

    def _check_version(self) -> None:
        """Raises StateError unless the database is ours and of this version."""
        version = self._version()
        if version is None:
            raise NoHistoryError(self.directory, "no samples yet")
        if version < schema.VERSION:
            raise OlderSchemaError(self.directory, f"older schema {version}, run tcptide migrate")
        if version > schema.VERSION:
            raise NewerSchemaError(self.directory, f"schema {version} of a newer tcptide")

    def _version(self) -> int | None:
        """The version of the schema, None for an empty file. Raises StateError if it is another program's."""
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        if application == schema.APPLICATION_ID:
            return int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StateError(self.directory, f"{DATABASE} belongs to another program")
        return None
