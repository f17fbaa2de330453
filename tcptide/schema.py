"""What the database holds: its tables as SQL, made from SERIES.

An upgrade only adds tables or columns, so migrating means making what is missing. VERSION counts them: raise it
whenever a table or a Series is added. `sample` is the history, `latest` a cache of the newest look of each source.
"""

from collections.abc import Mapping

from tcptide.series import SERIES

#: 1: the first. 2: detector.outlook, measured, embryonic_resets. 3: report. 4: standing.recorded_by.
#: 5: sample.privileged.
VERSION = 5

#: PRAGMA application_id: 'tcpt'.
APPLICATION_ID = 0x74637074

#: Two history rows would fit into SQLite's usual page of 4 KiB, and a third of it would be empty.
PAGE_BYTES = 8192

STATISTICS = ("min", "mean", "max", "p95")

#: Seconds of a rollup: a quarter of an hour of UTC, since local days begin at +5:30 and +5:45 as well.
QUARTER_SECONDS = 900


def _series(table: str) -> list[str]:
    """A column for each Series; NULL is 'not seen'."""
    whole = "REAL" if table == "rollup" else "INTEGER"
    return [f"{s.name} {'REAL' if s.unit in ('percent', 'ms', 'seconds') else whole}" for s in SERIES]


_TABLES: dict[str, tuple[tuple[str, ...], str]] = {  # name -> (columns, what follows them)
    "source": (
        (
            "id INTEGER PRIMARY KEY",
            "name TEXT NOT NULL UNIQUE",
            "hostname TEXT NOT NULL",
            "simulated INTEGER NOT NULL DEFAULT 0",
        ),
        ")",
    ),
    "latest": (
        (
            "source_id INTEGER PRIMARY KEY REFERENCES source",
            "boot_id TEXT NOT NULL",
            "began_boottime REAL NOT NULL",
            "wall REAL NOT NULL",
            "sample TEXT NOT NULL",
        ),
        ")",
    ),
    "sample": (
        (
            "id INTEGER PRIMARY KEY AUTOINCREMENT",  # the order: the wall clock may step back
            "source_id INTEGER NOT NULL REFERENCES source",
            "wall REAL NOT NULL",
            "boottime REAL NOT NULL",
            "boot_id TEXT NOT NULL",
            "netns_cookie INTEGER",
            "dump_seconds REAL",
            "method TEXT NOT NULL",
            "unseen TEXT",
            "pattern TEXT",  # this and the next two: the detector's verdict
            "expected REAL",
            "pattern_since REAL",
            "top TEXT NOT NULL",
            "privileged INTEGER",  # NULL: of a version that did not keep it
            *_series("sample"),
        ),
        ")",
    ),
    "rollup": (
        (
            "source_id INTEGER NOT NULL",
            "statistic TEXT NOT NULL CHECK(statistic IN ('min','mean','max','p95'))",
            "quarter INTEGER NOT NULL",
            "samples INTEGER NOT NULL",
            "covered_seconds REAL NOT NULL",
            *_series("rollup"),
        ),
        ", PRIMARY KEY(source_id, statistic, quarter)) WITHOUT ROWID",
    ),
    "detector": (
        (
            "source_id INTEGER NOT NULL",
            "name TEXT NOT NULL",
            "version TEXT NOT NULL",
            "parameters TEXT NOT NULL",
            "last_sample_id INTEGER NOT NULL",
            "state TEXT NOT NULL",
            "outlook TEXT",
        ),
        ", PRIMARY KEY(source_id, name))",
    ),
    "standing": (
        (
            "source_id INTEGER NOT NULL",
            "name TEXT NOT NULL",
            "state INTEGER NOT NULL",
            "since REAL NOT NULL",
            "seen REAL NOT NULL",
            "code TEXT",
            "recorded_by TEXT",  # the check, by its executable's name
        ),
        ", PRIMARY KEY(source_id, name))",
    ),
    "event": (
        (
            "id INTEGER PRIMARY KEY AUTOINCREMENT",
            "source_id INTEGER NOT NULL",
            "wall REAL NOT NULL",
            "name TEXT NOT NULL",
            "kind TEXT NOT NULL CHECK(kind IN ('threshold','pattern','forecast'))",
            "old INTEGER",
            "new INTEGER NOT NULL",
            "code TEXT",
            "message TEXT NOT NULL",
            "finding TEXT",
        ),
        ")",
    ),
    "report": (  # the reports that were made, each period's last
        (
            "source_id INTEGER NOT NULL",
            "label TEXT NOT NULL",
            "since REAL NOT NULL",
            "until REAL NOT NULL",
            "made REAL NOT NULL",
            "path TEXT NOT NULL",
            "mail TEXT",  # path of the message; NULL: it is not to be mailed
            "message_id TEXT",
            "pending TEXT",  # the recipients that it is still to be sent to, one a line
            "mailed REAL",  # NULL: nobody has it
            "failure TEXT",
        ),
        ", PRIMARY KEY(source_id, label)) WITHOUT ROWID",
    ),
}

TABLES = tuple(_TABLES)


def missing(found: Mapping[str, set[str]]) -> list[str]:
    """The statements that bring a database up to VERSION, given the names of the columns of each table it has."""
    statements: list[str] = []
    for table, (columns, end) in _TABLES.items():
        if table in found:
            added = [column for column in columns if column.split()[0] not in found[table]]
            statements.extend(f"ALTER TABLE {table} ADD COLUMN {column}" for column in added)
        else:
            statements.append(f"CREATE TABLE {table}({', '.join(columns)}{end}")
    statements.append("CREATE INDEX IF NOT EXISTS sample_time ON sample(source_id, wall)")
    statements.append("CREATE INDEX IF NOT EXISTS sample_order ON sample(source_id)")  # and id, as in every index
    statements.append("CREATE INDEX IF NOT EXISTS event_time ON event(source_id, wall)")
    return statements
