"""Writes the database; used through tcptide.history, which knows when."""

# ruff: noqa: S608 - the queries are made of constants, values are bound

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from tcptide import codec, schema, statefiles
from tcptide.model import Origin, Point, Report, Rollup, Sample, Verdict
from tcptide.series import NAMES, TCP_INFO, point_of
from tcptide.statefiles import DATABASE, JOURNAL, StateError
from tcptide.store import DETECTOR, POINT, Reader, as_points, connect, errors

#: Rows of each kind that one prune deletes at most: six times what a quarter of an hour adds, so it catches up, and a
#: clock that is wrong for an hour costs little.
PRUNE_ROWS = 100

#: After so many rows a prune is due whatever the time: with a short interval too more is deleted than added.
PRUNE_EVERY = PRUNE_ROWS // 2

_SAMPLE_COLUMNS = (
    "source_id",
    "wall",
    "boottime",
    "boot_id",
    "netns_cookie",
    "dump_seconds",
    "method",
    "unseen",
    "privileged",
    "top",
)
_INSERT_SAMPLE = (
    f"INSERT INTO sample({', '.join((*_SAMPLE_COLUMNS, *NAMES))})"
    f" VALUES({', '.join('?' * (len(_SAMPLE_COLUMNS) + len(NAMES)))})"
)
_INSERT_ROLLUP = (
    f"INSERT OR REPLACE INTO rollup(source_id, {', '.join((*Rollup._fields[:4], *NAMES))})"
    f" VALUES({', '.join('?' * (5 + len(NAMES)))})"
)


class Writer(Reader):
    """Reads and writes the state; whoever enters it holds statefiles.lock, and keeps it for as long.

    Entering makes the file and the tables if there are none, and with migrate=True brings an older schema up to date.
    Until it is left root is the owner of the state. The methods that write belong into `with writer.transaction():`.
    All raise StateError.
    """

    def __init__(self, directory: str, *, migrate: bool = False) -> None:
        super().__init__(directory)
        self.migrated = False  # whether entering changed an older schema
        self._migrate = migrate
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(statefiles.as_owner(self.directory))
            if not statefiles.check_files(self.directory):
                for name in (JOURNAL, DATABASE):  # SQLite would make the journal with the caller's group
                    os.close(statefiles.open_or_make(self.directory, name))
            with errors(self.directory):
                self._connection = connect(self.directory, "rw")
                stack.callback(self._connection.close)
                self._connection.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")  # counts while the file is empty
                self._connection.execute("PRAGMA journal_mode = TRUNCATE")
                self._connection.execute("PRAGMA synchronous = FULL")
                version = self._version()
                if version is None or (self._migrate and version < schema.VERSION):
                    self._make_tables()
                    self.migrated = version is not None
                self._check_version()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; to be kept under 1,000 rows."""
        with errors(self.directory):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back after a full disk
                    self._connection.execute("ROLLBACK")
                raise

    def source_id(self, origin: Origin) -> int:
        """The id of the sample's source, made if it is new. A state never mixes simulated and real samples."""
        if self._rows("SELECT 1 FROM source WHERE simulated != ? LIMIT 1", origin.simulated):
            held = "real samples" if origin.simulated else "a simulated history"
            raise StateError(self.directory, f"holds {held}")
        self._rows(
            "INSERT INTO source(name, hostname, simulated) VALUES(?, ?, ?)"
            " ON CONFLICT(name) DO UPDATE SET hostname = excluded.hostname WHERE hostname != excluded.hostname",
            origin.source,
            origin.hostname,
            origin.simulated,
        )
        return int(self._rows("SELECT id FROM source WHERE name = ?", origin.source)[0][0])

    def replace_latest(self, source_id: int, sample: Sample) -> None:
        """Keep the whole sample as the newest of its source."""
        origin = sample.origin
        self._rows(
            "INSERT OR REPLACE INTO latest VALUES(?, ?, ?, ?, ?)",
            source_id,
            origin.boot_id,
            origin.boottime_seconds,
            origin.wall_seconds,
            codec.sample_to_json(sample),
        )

    def last(self, source_id: int) -> Point | None:
        """The last history row of a source."""
        rows = self._rows(f"SELECT {POINT} FROM sample WHERE source_id = ? ORDER BY id DESC LIMIT 1", source_id)
        found = as_points(rows)
        return found[0] if found else None

    def insert(self, source_id: int, sample: Sample, top: str) -> Point:
        """Add a history row; top: codec.top_to_json of the sample."""
        origin, row = sample.origin, point_of(sample)
        with errors(self.directory):
            cursor = self._connection.execute(
                _INSERT_SAMPLE,
                (
                    source_id,
                    origin.wall_seconds,
                    origin.boottime_seconds,
                    origin.boot_id,
                    origin.netns_cookie,
                    origin.dump_seconds,
                    origin.method,
                    "\n".join(origin.unseen) or None,
                    origin.privileged,
                    top,
                    *row.values.values(),
                ),
            )
        return row._replace(id=cursor.lastrowid)

    def add_tcp_info(self, row: Point, sample: Sample) -> None:
        """Give a history row the numbers of a later look with tcp_info."""
        values, columns = point_of(sample).values, ", ".join(f"{name} = ?" for name in TCP_INFO)
        self._rows(f"UPDATE sample SET {columns} WHERE id = ?", *(values[name] for name in TCP_INFO), row.id)

    def set_verdict(self, row: Point, verdict: Verdict) -> None:
        """Keep the detector's verdict on a history row."""
        query = "UPDATE sample SET pattern = ?, expected = ?, pattern_since = ? WHERE id = ?"
        self._rows(query, verdict.pattern, verdict.expected, verdict.since, row.id)

    def detector(self, source_id: int) -> tuple[str, str, int, str] | None:
        """What put_detector() has kept: version, parameters, the id of the last row, state."""
        query = "SELECT version, parameters, last_sample_id, state FROM detector WHERE source_id = ? AND name = ?"
        rows = self._rows(query, source_id, DETECTOR)
        return rows[0] if rows else None

    def put_detector(
        self, source_id: int, version: str, parameters: str, row_id: int | None, state: str, outlook: str
    ) -> None:
        """Keep how far the detector has got, and what it says of the row that it has got to."""
        self._rows(
            "INSERT OR REPLACE INTO detector(source_id, name, version, parameters, last_sample_id, state, outlook)"
            " VALUES(?, ?, ?, ?, ?, ?, ?)",
            source_id,
            DETECTOR,
            version,
            parameters,
            row_id,
            state,
            outlook,
        )

    def around_quarter(self, source_id: int, quarter: int) -> list[Point]:
        """The rows of a quarter, the one before and the one after, in the order they were stored."""
        rows = self._rows(
            f"SELECT {POINT} FROM sample WHERE source_id = ? AND wall >= ? AND wall < ? ORDER BY id",
            source_id,
            (quarter - 1) * schema.QUARTER_SECONDS,
            (quarter + 2) * schema.QUARTER_SECONDS,
        )
        return as_points(rows)

    def put_rollups(self, source_id: int, rollups: Sequence[Rollup]) -> None:
        """Keep rollups, in the place of older ones of the same quarter."""
        for rollup in rollups:
            self._rows(_INSERT_ROLLUP, source_id, *rollup[:4], *(rollup.values[name] for name in NAMES))

    def prune(self, raw_before: float, rollups_before: float, events_before: float, rows: int = PRUNE_ROWS) -> None:
        """Delete the rows of all sources that are older (wall clock seconds), a bounded number of each kind.

        CROSS JOIN keeps SQLite from reading all of an index: for each source it then looks only at the oldest rows.
        """
        for table in ("sample", "event"):
            self._rows(
                f"DELETE FROM {table} WHERE id IN (SELECT {table}.id FROM source CROSS JOIN {table}"
                f" ON source_id = source.id AND wall < ? LIMIT ?)",
                raw_before if table == "sample" else events_before,
                rows,
            )
        self._rows("DELETE FROM report WHERE made < ?", events_before)  # few: one for each period
        self._rows("DELETE FROM latest WHERE wall < ?", raw_before)  # of a source that is gone: it holds addresses too
        old = self._rows(
            "SELECT source_id, statistic, quarter FROM source CROSS JOIN rollup ON source_id = source.id"
            " AND statistic IN ('min', 'mean', 'max', 'p95') AND quarter < ? LIMIT ?",
            rollups_before // schema.QUARTER_SECONDS,
            rows,
        )
        for key in old:  # in one DELETE with a subquery SQLite would go through all rollups of the source
            self._rows("DELETE FROM rollup WHERE source_id = ? AND statistic = ? AND quarter = ?", *key)

    def state_of(self, source_id: int, name: str) -> tuple[int, float, str | None] | None:
        """The standing state of a recorded service, when it was last seen and by which check; None: not recorded."""
        query = "SELECT state, seen, recorded_by FROM standing WHERE source_id = ? AND name = ?"
        rows = self._rows(query, source_id, name)
        return rows[0] if rows else None

    def put_standing(
        self, source_id: int, name: str, state: int, code: str | None, wall_seconds: float, recorded_by: str | None
    ) -> None:
        """Keep what is the case now; since when stays as long as the state does."""
        self._rows(
            "INSERT INTO standing(source_id, name, state, since, seen, code, recorded_by) VALUES(?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(source_id, name) DO UPDATE SET seen = excluded.seen, code = excluded.code,"
            " recorded_by = excluded.recorded_by,"
            " since = iif(state = excluded.state, since, excluded.since), state = excluded.state",
            source_id,
            name,
            state,
            wall_seconds,
            wall_seconds,
            code,
            recorded_by,
        )

    def add_event(
        self,
        source_id: int,
        wall_seconds: float,
        name: str,
        kind: str,
        old: int | None,
        new: int,
        code: str | None,
        message: str,
        finding: str | None,
    ) -> None:
        """Add a change of state."""
        self._rows(
            "INSERT INTO event(source_id, wall, name, kind, old, new, code, message, finding)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            source_id,
            wall_seconds,
            name,
            kind,
            old,
            new,
            code,
            message,
            finding,
        )

    def put_report(self, source: str, report: Report) -> None:
        """Keep a report as the last of its period; of a source that isn't known nothing is kept."""
        self._rows(
            "INSERT OR REPLACE INTO report(source_id, label, since, until, made, path, mail, message_id, pending,"
            " mailed, failure) SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM source WHERE name = ?",
            *("\n".join(field) or None if isinstance(field, tuple) else field for field in report),
            source,
        )

    def _make_tables(self) -> None:
        with self.transaction():
            found = {}
            for table in schema.TABLES:
                columns = {row[1] for row in self._rows(f"PRAGMA table_info({table})")}
                if columns:
                    found[table] = columns
            for statement in schema.missing(found):
                self._rows(statement)
            self._rows(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            self._rows(f"PRAGMA user_version = {schema.VERSION}")
