"""When a sample becomes history: the only writer of samples, and of the states that checks record."""

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import TypeVar

from tcptide import statefiles, trends
from tcptide.clock import Clock
from tcptide.config import Retention
from tcptide.model import Origin, Point, Sample, Verdict
from tcptide.store import DamagedError
from tcptide.writer import PRUNE_EVERY, Writer

#: A row is due after this share of the interval, so that a scheduler's jitter doesn't halve the history.
_DUE_SHARE = 0.75

#: Writers wait this long for each other's turn; inside SQLite no wait is longer either.
_TURN_SECONDS = 1.0

_BATCH = 500

DEFAULT_RETENTION = Retention()

_DAY_SECONDS = 86400.0

Result = TypeVar("Result")


#: Advances the detector by one history row and gives its verdict. Called in the row's transaction, once for each row.
Advance = Callable[[Writer, Point], Verdict]


def append(
    writer: Writer,
    sample: Sample,
    *,
    interval_seconds: float = 60.0,
    retention: Retention = DEFAULT_RETENTION,
    advance: Advance | None = None,
) -> bool:
    """Keep a sample as its source's latest, and as a history row if one is due; returns whether it is a row now.

    A row is due when 0.75 of the interval has passed since the last one, or the machine has booted. If it begins
    another quarter of an hour the quarter of the row before it is rolled up from raw rows. Then, and after every 50
    rows, a slice of what is older than the retention is deleted. All in one transaction: a row never lacks its
    verdict, nor a quarter its rollup. Raises StateError, and then nothing of it is kept.
    """
    with writer.transaction():
        source_id = writer.source_id(sample.origin)
        writer.replace_latest(source_id, sample)
        return _add_row(writer, source_id, sample, interval_seconds, retention, advance)


def extend(
    writer: Writer,
    samples: Iterable[Sample],
    *,
    interval_seconds: float = 60.0,
    retention: Retention = DEFAULT_RETENTION,
    advance: Advance | None = None,
) -> int:
    """append() for many samples of one source, a few hundred in a transaction; returns the number of rows.

    Raises StateError; the transactions before it are kept.
    """
    rows = 0
    iterator = iter(samples)
    sample = next(iterator, None)
    while sample is not None:
        with writer.transaction():
            for last in islice(chain((sample,), iterator), _BATCH):
                rows += _add_row(writer, writer.source_id(last.origin), last, interval_seconds, retention, advance)
            writer.replace_latest(writer.source_id(last.origin), last)
        sample = next(iterator, None)
    return rows


def _add_row(
    writer: Writer,
    source_id: int,
    sample: Sample,
    interval_seconds: float,
    retention: Retention,
    advance: Advance | None,
) -> bool:
    previous = writer.last(source_id)
    if previous is not None and previous.boot_id == sample.origin.boot_id:
        passed = sample.origin.boottime_seconds - previous.boottime_seconds
        if 0 <= passed < _DUE_SHARE * interval_seconds:
            return False
    row = writer.insert(source_id, sample)
    if advance is not None:
        writer.set_verdict(row, advance(writer, row))
    quarter = None if previous is None else trends.quarter_of(previous.wall_seconds)
    ended = quarter is not None and quarter != trends.quarter_of(row.wall_seconds)
    if quarter is not None and ended:
        points = writer.around_quarter(source_id, quarter)
        writer.put_rollups(source_id, trends.roll_up(quarter, points, interval_seconds))
    if ended or (row.id is not None and row.id % PRUNE_EVERY == 0):
        # A clock that was once far ahead deletes nothing: two rows in a row must say that it is so late.
        late = row.wall_seconds if previous is None else min(row.wall_seconds, previous.wall_seconds)
        raw, rollups, events = (late - days * _DAY_SECONDS for days in retention)
        writer.prune(raw, rollups, events)
    return True


def write(
    directory: str, clock: Clock, work: Callable[[Writer], Result], *, migrate: bool = False
) -> tuple[Result, tuple[str, ...]]:
    """Do work with a Writer, setting a damaged database aside; returns its result and notices. Needs statefiles.lock.

    Damage is believed only when a second opening finds it too. Then the work is done again in a new file, and the
    notice names the old one. Raises StateError.
    """
    for attempt in (1, 2):
        try:
            with Writer(directory, migrate=migrate) as writer:
                return work(writer), ()
        except DamagedError:
            if attempt == 2:
                break
    kept = statefiles.set_aside(directory, clock.wall())
    with Writer(directory) as writer:
        return work(writer), (f"no history: {directory}: was damaged, kept as {kept}",)


def record(
    directory: str,
    origin: Origin,
    clock: Clock,
    name: str,
    state: int,
    message: str,
    *,
    code: str | None = None,
    finding: str | None = None,
    kind: str = "threshold",
) -> bool:
    """Record what a check found for the service `name`; returns whether that was a change, which is an event.

    state: 0 OK to 3 UNKNOWN; code and finding (JSON: code and values) are of the worst finding. The first record is a
    change unless it is OK. Raises StateError.
    """

    def work(writer: Writer) -> bool:
        with writer.transaction():
            source_id = writer.source_id(origin)
            old = writer.state_of(source_id, name)
            wall = clock.wall()
            writer.put_standing(source_id, name, state, code, wall)
            changed = state != (old or 0)
            if changed:
                writer.add_event(source_id, wall, name, kind, old, state, code, message, finding)
            return changed

    with statefiles.lock(directory, clock, _TURN_SECONDS):
        return write(directory, clock, work)[0]


def migrate(directory: str, clock: Clock) -> bool:
    """Bring the database of a directory up to this version's schema; returns whether it was older. Raises StateError.

    A missing database is made. A damaged one is left as it is.
    """
    with statefiles.lock(directory, clock, _TURN_SECONDS), Writer(directory, migrate=True) as writer:
        return writer.migrated
