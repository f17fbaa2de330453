"""When a sample becomes history: the only writer of samples, and of the states that checks record."""

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Protocol, TypeVar

from tcptide import codec, statefiles, trends
from tcptide.clock import Clock
from tcptide.config import Config, Retention
from tcptide.errors import StoreError
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

#: For so long after its last record a service's name stays with its check.
_NAME_KEPT_SECONDS = 3600.0

Result = TypeVar("Result")


class Advancing(Protocol):
    """What judges the history row by row, for the length of a transaction."""

    def row(self, source_id: int, previous: Point | None, row: Point, top: str, sample: Sample) -> Verdict:
        """Take in the row that was just added after `previous`, its top lists as JSON, and what it was made of."""

    def keep(self) -> None:
        """Store how far it has got; called before the transaction ends."""


#: Begins to judge, in a transaction of the writer.
Advance = Callable[[Writer], Advancing]


def judged(config: Config) -> Advance:
    """The judgement that every writer of history makes take part."""

    def begin(writer: Writer) -> Advancing:
        from tcptide.advance import Judging  # only who adds a row pays for loading the detector

        return Judging(writer, config)

    return begin


def append(
    writer: Writer,
    sample: Sample,
    *,
    interval_seconds: float = 60.0,
    retention: Retention = DEFAULT_RETENTION,
    advance: Advance | None = None,
) -> bool:
    """Keep a sample as its source's latest, and as a history row if one is due; returns whether it is a row now.

    A row is due when 0.75 of the interval has passed since the last one, or the machine has booted; until then a look
    with tcp_info gives that to the last row, if it has none. If a row begins another quarter of an hour the quarter of
    the row before it is rolled up from raw rows. Then, and after every 50 rows, a slice of what is older than the
    retention is deleted. All in one transaction: a row never lacks its verdict, nor a quarter its rollup. Raises
    StateError, and then nothing of it is kept.
    """
    with writer.transaction():
        source_id = writer.source_id(sample.origin)
        writer.replace_latest(source_id, sample)
        previous = writer.last(source_id)
        if not _due(previous, sample, interval_seconds):
            if previous and sample.tcp_info and previous.values["unacked"] is None:
                writer.add_tcp_info(previous, sample)
            return False
        judging = advance and advance(writer)
        _add_row(writer, source_id, previous, sample, interval_seconds, retention, judging)
        if judging:
            judging.keep()
        return True


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
            judging = advance and advance(writer)
            for last in islice(chain((sample,), iterator), _BATCH):
                source_id = writer.source_id(last.origin)
                previous = writer.last(source_id)
                if _due(previous, last, interval_seconds):
                    _add_row(writer, source_id, previous, last, interval_seconds, retention, judging)
                    rows += 1
            writer.replace_latest(writer.source_id(last.origin), last)
            if judging:
                judging.keep()
        sample = next(iterator, None)
    return rows


def _due(previous: Point | None, sample: Sample, interval_seconds: float) -> bool:
    if previous is None or previous.boot_id != sample.origin.boot_id:
        return True
    return not 0 <= sample.origin.boottime_seconds - previous.boottime_seconds < _DUE_SHARE * interval_seconds


def _add_row(
    writer: Writer,
    source_id: int,
    previous: Point | None,
    sample: Sample,
    interval_seconds: float,
    retention: Retention,
    judging: Advancing | None,
) -> None:
    top = codec.top_to_json(sample)
    row = writer.insert(source_id, sample, top)
    if judging is not None:
        writer.set_verdict(row, judging.row(source_id, previous, row, top, sample))
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
    recorded_by: str | None = None,
) -> bool:
    """Record what a check found for the service `name`; returns whether that was a change, which is an event.

    A name is one check's, `recorded_by`, until that has not used it for an hour: two checks with one name would make an
    event of every run. Raises StoreError for the other one.

    state: 0 OK to 3 UNKNOWN; code and finding (JSON: code and values) are of the worst finding. The first record is a
    change unless it is OK. Raises StateError.
    """

    def work(writer: Writer) -> bool:
        with writer.transaction():
            source_id = writer.source_id(origin)
            wall = clock.wall()
            old, seen, other = writer.state_of(source_id, name) or (None, wall, None)
            if recorded_by and other and other != recorded_by and abs(wall - seen) < _NAME_KEPT_SECONDS:
                raise StoreError(f"{name} is a service of {other}")
            writer.put_standing(source_id, name, state, code, wall, recorded_by)
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
