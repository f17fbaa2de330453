import json
import os
import sqlite3

import pytest

from tcptide import history, statefiles, trends
from tcptide.clock import SYSTEM
from tcptide.config import Retention
from tcptide.errors import StoreError
from tcptide.model import Point, Sample, Verdict
from tcptide.series import point_of
from tcptide.statefiles import DATABASE, StateError
from tcptide.store import DamagedError, Reader
from tcptide.writer import PRUNE_ROWS, Writer
from tests.storing import WALL, HandClock, latest, make_sample

QUARTER = int(WALL // 900)
DAY = 1440  # minutes


def append_each(directory: str, *samples: Sample, retention: Retention = history.DEFAULT_RETENTION) -> list[bool]:
    """Each opened, appended and closed as a check does it."""
    rows = []
    for sample in samples:
        with statefiles.lock(directory, SYSTEM, 1), Writer(directory) as writer:
            rows.append(history.append(writer, sample, retention=retention))
    return rows


def counts(directory: str) -> dict[str, int]:
    with sqlite3.connect(os.path.join(directory, DATABASE)) as connection:
        tables = ("sample", "rollup", "event", "latest", "standing")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_a_row_is_due_after_three_quarters_of_the_interval(state_dir: str) -> None:
    minutes = (0, 0.5, 0.74, 0.75, 1.4, 1.5, 9)
    samples = [make_sample(minute) for minute in minutes]
    assert append_each(state_dir, *samples) == [True, False, False, True, False, True, True]
    assert latest(state_dir) == samples[-1]
    with Reader(state_dir) as reader:
        points = reader.points("host", 0, 1e10)
    assert [point.wall_seconds for point in points] == [WALL + 60 * minute for minute in (0, 0.75, 1.5, 9)]


def test_latest_is_replaced_though_no_row_is_due(state_dir: str) -> None:
    append_each(state_dir, make_sample(0), make_sample(0.1))
    assert latest(state_dir) == make_sample(0.1)


def test_a_look_with_tcp_info_completes_the_row_before_it(state_dir: str) -> None:
    """Whoever asks for it may come after whoever takes the row of the minute."""
    first, asked, again = (make_sample(minute) for minute in (0, 0.3, 0.5))
    assert asked.tcp_info is not None
    again = again._replace(tcp_info=asked.tcp_info._replace(unacked=7))
    append_each(state_dir, first._replace(tcp_info=None), asked, again)
    with Reader(state_dir) as reader:
        (point,) = reader.points("host", 0, 1e10)
    assert point == point_of(first._replace(tcp_info=asked.tcp_info), point.id)


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        pytest.param({"boottime_seconds": 5.0, "boot_id": "other"}, True, id="due-after-a-boot"),
        pytest.param({"wall_seconds": WALL - 86400}, True, id="due-though-the-wall-clock-stepped-back"),
        pytest.param({"wall_seconds": WALL + 9e4, "boottime_seconds": 1_000_001.0}, False, id="not-by-a-step-forward"),
        pytest.param({"boottime_seconds": 999_000.0}, True, id="due-in-another-time-namespace"),
        pytest.param({"source": "netns-1", "boottime_seconds": 1_000_001.0}, True, id="due-for-each-source"),
    ],
)
def test_what_makes_a_row_due(state_dir: str, changes: dict[str, object], row: bool) -> None:
    assert append_each(state_dir, make_sample(0), make_sample(1, **changes)) == [True, row]


def test_extend_stores_what_appending_one_by_one_does(state_dir: str) -> None:
    samples = [make_sample(minute) for minute in range(40)]
    one_by_one, together = os.path.join(state_dir, "one"), os.path.join(state_dir, "all")
    append_each(one_by_one, *samples)
    with statefiles.lock(together, SYSTEM, 1), Writer(together) as writer:
        assert history.extend(writer, samples) == 40
        assert history.extend(writer, []) == 0
    with Reader(one_by_one) as first, Reader(together) as second:
        assert first.points("host", 0, 1e10) == second.points("host", 0, 1e10)
        assert first.rollups("host", "p95", 0, 1e10) == second.rollups("host", "p95", 0, 1e10) != []
        assert first.latest("host") == second.latest("host") == samples[-1]


def test_the_previous_quarter_is_rolled_up_from_raw_rows(state_dir: str) -> None:
    append_each(state_dir, *map(make_sample, range(27)))  # from minute 5 of a quarter into the third quarter
    with Reader(state_dir) as reader:
        for statistic, number in zip(("min", "mean", "max", "p95"), range(4), strict=True):
            rollups = reader.rollups("host", statistic, 0, 1e10)
            assert [rollup.quarter for rollup in rollups] == [QUARTER, QUARTER + 1]
            points = reader.points("host", 0, 1e10)
            assert rollups == [trends.roll_up(quarter, points)[number] for quarter in (QUARTER, QUARTER + 1)]
        assert [rollup.samples for rollup in rollups] == [10, 15]
        assert [rollup.covered_seconds for rollup in rollups] == [660.0, 900.0]
        assert reader.rollups("host", "mean", QUARTER * 900 + 1, 1e10) == reader.rollups("host", "mean", 0, 1e10)[1:]
        assert reader.rollups("host", "mean", 0, (QUARTER + 1) * 900) == reader.rollups("host", "mean", 0, 1e10)[:1]


def test_a_quarter_that_the_clock_returns_to_is_rolled_up_whole(state_dir: str) -> None:
    walls = [WALL + 60 * minute for minute in range(12)] + [WALL + 60 * minute for minute in range(5, 12)]
    append_each(state_dir, *(make_sample(number, wall_seconds=wall) for number, wall in enumerate(walls)))
    with Reader(state_dir) as reader:
        rollups = reader.rollups("host", "mean", 0, 1e10)
    assert [(rollup.quarter, rollup.samples) for rollup in rollups] == [(QUARTER, 15), (QUARTER + 1, 2)]


def test_after_a_gap_the_quarter_before_it_is_rolled_up(state_dir: str) -> None:
    append_each(state_dir, make_sample(0), make_sample(300))
    with Reader(state_dir) as reader:
        assert [(one.quarter, one.samples) for one in reader.rollups("host", "max", 0, 1e10)] == [(QUARTER, 1)]


def test_what_is_older_than_the_retention_goes_slice_by_slice(state_dir: str) -> None:
    append_each(state_dir, *map(make_sample, range(0, 200)))
    append_each(state_dir, make_sample(0, source="gone"))
    origin = make_sample(0).origin
    for number in range(PRUNE_ROWS + 1):
        history.record(state_dir, origin, HandClock(), f"service {number}", 2, "bad")
    before = counts(state_dir)
    assert before == {"sample": 201, "rollup": 52, "event": PRUNE_ROWS + 1, "latest": 2, "standing": PRUNE_ROWS + 1}
    later = make_sample(13.99 * DAY)
    append_each(state_dir, later)
    assert counts(state_dir)["sample"] == 202
    for number, left in enumerate((203, 104, 69, 55)):  # of 121 that are too old a slice, then what is left of them
        append_each(state_dir, make_sample(14 * DAY + 120 + 15 * number))
        assert counts(state_dir)["sample"] == left
    assert counts(state_dir)["rollup"] == 52 + 4 * 5
    assert counts(state_dir)["event"] == before["event"]
    assert counts(state_dir)["latest"] == 1
    with Reader(state_dir) as reader:
        assert reader.recent("gone", 1) == []


@pytest.mark.parametrize("interval", [1, 5])
def test_no_interval_adds_more_than_is_deleted(state_dir: str, interval: int) -> None:
    """What was there a day ago is gone; nothing is deleted that is to be kept."""
    kept, seconds = Retention(raw_days=1), 3000
    samples = [make_sample(number * interval / 60) for number in range(seconds // interval)]
    day_later = [make_sample(DAY + number * interval / 60) for number in range(seconds // interval)]
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.extend(writer, samples, interval_seconds=interval, retention=kept)
        history.extend(writer, day_later, interval_seconds=interval, retention=kept)
    with Reader(state_dir) as reader:
        walls = [point.wall_seconds for point in reader.points("host", 0, 1e10)]
    assert len(walls) == pytest.approx(seconds / interval, abs=PRUNE_ROWS)
    assert walls[-1] - walls[0] == pytest.approx(DAY * 60, abs=PRUNE_ROWS * interval)


def test_rollups_and_events_have_retentions_of_their_own(state_dir: str) -> None:
    short = Retention(raw_days=300, rollup_days=1, event_days=2)
    append_each(state_dir, *(make_sample(15 * number) for number in range(40)))
    history.record(state_dir, make_sample(0).origin, HandClock(), "service", 1, "warn")
    assert counts(state_dir)["rollup"] == 4 * 39
    append_each(state_dir, make_sample(1.5 * DAY + 300), retention=short)
    assert counts(state_dir)["rollup"] == 4 * 40
    append_each(state_dir, make_sample(1.5 * DAY + 330), retention=short)
    assert counts(state_dir)["rollup"] == 4 * 41 - PRUNE_ROWS
    append_each(state_dir, make_sample(1.5 * DAY + 345), retention=short)
    assert (counts(state_dir)["rollup"], counts(state_dir)["event"]) == (8, 1)
    append_each(state_dir, make_sample(2.5 * DAY), make_sample(2.5 * DAY + 15), retention=short)
    assert (counts(state_dir)["sample"], counts(state_dir)["event"]) == (45, 0)


def test_a_clock_that_was_once_far_ahead_deletes_nothing(state_dir: str) -> None:
    append_each(state_dir, *map(make_sample, range(0, 40)))
    append_each(state_dir, make_sample(500 * DAY), make_sample(55))
    assert counts(state_dir)["sample"] == 42
    assert counts(state_dir)["rollup"] == 4 * 4


class Judge:
    """Says that all is a leak, keeps what it is shown, and fails at the third row."""

    def __init__(self, directory: str) -> None:
        self.directory, self.rows, self.kept = directory, list[tuple[Point | None, Point]](), list[int]()

    def row(self, source_id: int, previous: Point | None, row: Point, top: str, sample: Sample) -> Verdict:
        self.rows.append((previous, row))
        if len(self.rows) == 3:
            raise StateError(self.directory, "the detector failed")
        return Verdict("slow_leak", WALL - 60, 12.5, None, None, None)

    def keep(self) -> None:
        self.kept.append(len(self.rows))


def test_each_row_is_judged_once_in_its_transaction(state_dir: str) -> None:
    judge = Judge(state_dir)
    for minute in (0, 0.1, 1):
        with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
            history.append(writer, make_sample(minute), advance=lambda writer: judge)
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer, pytest.raises(StateError):
        history.append(writer, make_sample(2), advance=lambda writer: judge)
    assert judge.kept == [1, 2]
    with Reader(state_dir) as reader:
        first, second = reader.points("host", 0, 1e10)
        assert judge.rows[:2] == [(None, first), (first, second)]
        assert reader.latest("host") == make_sample(1)
    with sqlite3.connect(os.path.join(state_dir, DATABASE)) as connection:
        verdicts = connection.execute("SELECT pattern, expected, pattern_since FROM sample").fetchall()
    assert verdicts == [("slow_leak", 12.5, WALL - 60)] * 2


def test_record_writes_an_event_only_when_the_state_changes(state_dir: str) -> None:
    origin, clock = make_sample().origin, HandClock()
    changes = []
    for state in (0, 0, 2, 2, 1, 3, 0):
        code = "ports" if state else None
        changes.append(history.record(state_dir, origin, clock, "web ports", state, f"line {state}", code=code))
        clock.sleep(60)
    assert changes == [False, False, True, False, True, True, True]
    with Reader(state_dir) as reader:
        events = reader.events("host", 0, 1e10)
        assert reader.standing("host") == [("web ports", 0, WALL + 360, WALL + 360, None)]
        assert reader.events("host", WALL + 121, WALL + 301) == events[1:3]
    assert [(event.wall_seconds - WALL, event.old, event.new, event.code, event.message) for event in events] == [
        (120, 0, 2, "ports", "line 2"),
        (240, 2, 1, "ports", "line 1"),
        (300, 1, 3, "ports", "line 3"),
        (360, 3, 0, None, "line 0"),
    ]


def test_standing_says_since_when_and_when_last_seen(state_dir: str) -> None:
    origin, clock = make_sample().origin, HandClock()
    for code in ("a", "b", "c"):
        history.record(state_dir, origin, clock, "service", 2, "bad", code=code)
        clock.sleep(60)
    with Reader(state_dir) as reader:
        assert reader.standing("host") == [("service", 2, WALL, WALL + 120, "c")]


def test_a_name_is_one_check_s_until_that_has_not_used_it_for_an_hour(state_dir: str) -> None:
    """Two checks with one name would make an event of every run."""
    origin, clock = make_sample().origin, HandClock()

    def record(check: str | None, state: int) -> bool:
        return history.record(state_dir, origin, clock, "tcp", state, "said", recorded_by=check)

    for _ in range(3):
        record("check_tcp_connections", 2)
        with pytest.raises(StoreError, match=r"^tcp is a service of check_tcp_connections$"):
            record("check_tcp_time_wait", 0)
        clock.sleep(60)
    with Reader(state_dir) as reader:
        assert [(event.old, event.new) for event in reader.events("host", 0, 1e10)] == [(None, 2)]
    clock.sleep(3600)
    assert record("check_tcp_time_wait", 0)
    with pytest.raises(StoreError, match="of check_tcp_time_wait"):
        record("check_tcp_connections", 2)


def test_a_first_record_that_is_not_ok_is_an_event(state_dir: str) -> None:
    finding = json.dumps({"code": "ports", "used": 7})
    origin = make_sample().origin
    assert history.record(state_dir, origin, HandClock(), "service", 1, "warn", code="ports", finding=finding)
    with Reader(state_dir) as reader:
        assert reader.events("host", 0, 1e10) == [
            (1, WALL, "service", "threshold", None, 1, "ports", "warn", finding),
        ]


def test_services_and_sources_are_recorded_apart(state_dir: str) -> None:
    for source in ("host", "netns-1"):
        origin = make_sample(source=source).origin
        for name in ("b", "a"):
            assert history.record(state_dir, origin, HandClock(), name, 2, "bad")
    with Reader(state_dir) as reader:
        assert [one.name for one in reader.standing("host")] == ["a", "b"]
        assert [event.id for event in reader.events("netns-1", 0, 1e10)] == [3, 4]


def damage(directory: str, content: bytes = b"no database" * 1000) -> None:
    with open(os.path.join(directory, DATABASE), "wb") as file:
        file.write(content)


def test_a_damaged_database_is_set_aside_with_its_journal(state_dir: str) -> None:
    append_each(state_dir, *map(make_sample, range(50)))
    damage(state_dir)
    journal = b"\0 ended, as SQLite marks it"  # one that hasn't ended is played back before damage can show
    with open(os.path.join(state_dir, f"{DATABASE}-journal"), "wb") as file:
        file.write(journal)
    with statefiles.lock(state_dir, SYSTEM, 1):
        row, notices = history.write(state_dir, HandClock(), lambda writer: history.append(writer, make_sample(60)))
    kept = f"{DATABASE}.damaged-20231114T222000Z"
    assert (row, notices) == (True, (f"no history: {state_dir}: was damaged, kept as {kept}",))
    assert sorted(os.listdir(state_dir)) == [
        "sampling.lock",
        DATABASE,
        f"{DATABASE}-journal",
        kept,
        f"{kept}-journal",
    ]
    with open(os.path.join(state_dir, f"{kept}-journal"), "rb") as file:
        assert file.read() == journal
    with open(os.path.join(state_dir, kept), "rb") as file:
        assert file.read() == b"no database" * 1000
    assert latest(state_dir) == make_sample(60)


def test_damage_that_only_the_work_meets_is_found_too(state_dir: str) -> None:
    """The header and the tables' list are whole, the history's pages are not."""
    append_each(state_dir, *map(make_sample, range(50)))
    path = os.path.join(state_dir, DATABASE)
    with sqlite3.connect(path) as connection:
        roots = [row[0] for row in connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sample'")]
    connection.close()
    with open(path, "r+b") as file:
        file.seek((roots[0] - 1) * 8192)
        file.write(b"\xff" * 8192)
    assert latest(state_dir) == make_sample(49)
    with statefiles.lock(state_dir, SYSTEM, 1):
        row, notices = history.write(state_dir, SYSTEM, lambda writer: history.append(writer, make_sample(60)))
    assert row and len(notices) == len(statefiles.damaged_files(state_dir)) == 1


def test_damage_is_believed_only_when_opened_again(state_dir: str) -> None:
    append_each(state_dir, make_sample(0))
    tries = []

    def work(writer: Writer) -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise DamagedError(state_dir, "for once")
        return history.append(writer, make_sample(1))

    with statefiles.lock(state_dir, SYSTEM, 1):
        assert history.write(state_dir, SYSTEM, work) == (True, ())
    assert counts(state_dir)["sample"] == 2


def test_after_the_third_damage_in_a_day_nothing_is_renamed(state_dir: str) -> None:
    clock = HandClock()
    with statefiles.lock(state_dir, SYSTEM, 1):
        for number in range(4):
            damage(state_dir, b"damaged %d" % number)
            if number < 3:
                history.write(state_dir, clock, lambda writer: None)
        with pytest.raises(StateError, match="damaged again, 3 damaged files within a day"):
            history.write(state_dir, clock, lambda writer: None)
    assert len(statefiles.damaged_files(state_dir)) == 3
    with open(os.path.join(state_dir, DATABASE), "rb") as file:
        assert file.read() == b"damaged 3"


def test_migrate_makes_what_is_missing_and_leaves_damage_alone(state_dir: str) -> None:
    assert not history.migrate(state_dir, SYSTEM)
    with Reader(state_dir) as reader:
        assert reader.sources() == []
    damage(state_dir)
    with pytest.raises(DamagedError):
        history.migrate(state_dir, SYSTEM)
    assert statefiles.damaged_files(state_dir) == []


def test_a_point_of_a_busy_machine_takes_at_most_1500_bytes(state_dir: str) -> None:
    """Two days, so rollups and indexes are in it."""
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        rows = history.extend(writer, map(make_sample, range(2 * DAY)))
    empty = os.path.join(state_dir, "empty")
    history.migrate(empty, SYSTEM)
    used = statefiles.size_bytes(state_dir) - statefiles.size_bytes(empty)
    assert used / rows <= 1500
