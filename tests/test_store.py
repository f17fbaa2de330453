import os
import sqlite3

import pytest

from tcptide import codec, schema, statefiles, store
from tcptide.clock import SYSTEM
from tcptide.series import NAMES, point_of
from tcptide.statefiles import DATABASE, StateError
from tcptide.store import DamagedError, NoHistoryError, Reader
from tcptide.writer import Writer
from tests.storing import (
    WALL,
    in_child,
    kill_in_transaction,
    latest,
    make_sample,
    refusal,
    sql,
    store_samples,
)

STRANGER = 54321


def test_what_is_written_is_read(state_dir: str) -> None:
    samples = [make_sample(minute) for minute in range(3)]
    store_samples(state_dir, *samples)
    with Reader(state_dir) as reader:
        assert reader.sources() == [("host", "web-01", False)]
        assert reader.latest("host") == samples[-1]
        assert reader.points("host", 0, 1e10) == [point_of(sample, id) for id, sample in enumerate(samples, 1)]
        assert reader.tops("host", WALL, WALL + 1) == [(WALL, codec.top_from_json(codec.top_to_json(samples[0])))]
        assert reader.events("host", 0, 1e10) == []
        assert reader.standing("host") == []


def test_every_series_is_stored_and_none_is_null_by_mistake(state_dir: str) -> None:
    store_samples(state_dir, make_sample())
    with Reader(state_dir) as reader:
        (point,) = reader.recent("host", 1)
    assert tuple(point.values) == NAMES
    assert [name for name, value in point.values.items() if value is None] == []


def test_not_seen_is_none_and_zero_is_zero(state_dir: str) -> None:
    sample = make_sample()._replace(ports=None, counters={"Tcp.InErrs": 0}, not_accepted=0)
    store_samples(state_dir, sample)
    with Reader(state_dir) as reader:
        (point,) = reader.recent("host", 1)
    values = [point.values[name] for name in ("worst_destination", "in_errs", "out_rsts", "not_accepted")]
    assert values == [None, 0, None, 0]


@pytest.mark.parametrize(
    ("since", "until", "minutes"),
    [(0, 4, [0, 1, 2, 3]), (1, 3, [1, 2]), (1, 1, []), (-9, 0, []), (3, 99, [3])],
)
def test_points_of_a_time(state_dir: str, since: int, until: int, minutes: list[int]) -> None:
    store_samples(state_dir, *map(make_sample, range(4)))
    with Reader(state_dir) as reader:
        points = reader.points("host", WALL + 60 * since, WALL + 60 * until)
    assert [point.wall_seconds for point in points] == [WALL + 60 * minute for minute in minutes]


def test_order_is_the_order_of_storing_though_the_wall_clock_steps_back(state_dir: str) -> None:
    walls = [WALL, WALL + 60, WALL - 3600, WALL - 3540]
    store_samples(state_dir, *(make_sample(number, wall_seconds=wall) for number, wall in enumerate(walls)))
    with Reader(state_dir) as reader:
        assert [point.wall_seconds for point in reader.points("host", 0, 1e10)] == walls
        assert [point.wall_seconds for point in reader.recent("host", 2)] == walls[2:]


def test_sources_are_kept_apart(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0), make_sample(1))
    store_samples(state_dir, make_sample(0, source="netns-4026532000", netns_cookie=None))
    with Reader(state_dir) as reader:
        assert [source.name for source in reader.sources()] == ["host", "netns-4026532000"]
        assert [point.id for point in reader.recent("host", 9)] == [1, 2]
        assert [(point.id, point.netns_cookie) for point in reader.recent("netns-4026532000", 9)] == [(3, None)]
        assert reader.latest("netns-4026532001") is None
        assert reader.recent("netns-4026532001", 9) == []
        assert reader.rollups("netns-4026532001", "mean", 0, 1e10) == []


def test_a_host_may_be_renamed(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0), make_sample(1, hostname="web-02"))
    with Reader(state_dir) as reader:
        assert reader.sources() == [("host", "web-02", False)]


@pytest.mark.parametrize("simulated", [False, True])
def test_simulated_and_real_samples_never_mix(state_dir: str, simulated: bool) -> None:
    store_samples(state_dir, make_sample(0, simulated=simulated))
    other = make_sample(1, simulated=not simulated, source="other")
    held = "a simulated history" if simulated else "real samples"
    assert refusal(lambda: store_samples(state_dir, other)) == f"{state_dir}: holds {held}"
    with Reader(state_dir) as reader:
        assert len(reader.sources()) == 1


@pytest.mark.parametrize(
    "latest_text",
    ["'[1,[]]'", "'damaged'", "x'ff'", f"'[{codec._SHAPE},[1,2]]'"],
    ids=["other-version", "no-json", "no-text", "other-fields"],
)
def test_a_latest_of_another_program_version_is_none(state_dir: str, latest_text: str) -> None:
    store_samples(state_dir, make_sample())
    sql(state_dir, f"UPDATE latest SET sample = {latest_text}")
    assert latest(state_dir) is None


def test_without_a_database_there_is_no_history(state_dir: str) -> None:
    reason = f"{state_dir}: no samples yet"
    assert refusal(lambda: latest(state_dir), NoHistoryError) == reason
    os.close(statefiles.open_or_make(state_dir, DATABASE))
    assert refusal(lambda: latest(state_dir), NoHistoryError) == reason
    assert os.listdir(state_dir) == [DATABASE]


@pytest.mark.parametrize("place", ["missing", "missing/too"])
def test_without_a_directory(state_dir: str, place: str) -> None:
    directory = os.path.join(state_dir, place)
    assert refusal(lambda: latest(directory)) == f"{directory}: No such file or directory"


@pytest.mark.parametrize("name", ["per cent %41", "quest?mode=rw", "hash#x", "line\nbreak", "ü", "'quoted\""])
def test_odd_directory_names(state_dir: str, name: str) -> None:
    directory = os.path.join(state_dir, name)
    store_samples(directory, make_sample())
    assert latest(directory) == make_sample()
    assert sorted(os.listdir(directory)) == ["sampling.lock", DATABASE, f"{DATABASE}-journal"]


def test_a_link_in_the_path_to_the_directory_is_followed(state_dir: str) -> None:
    os.symlink(".", os.path.join(state_dir, "link"))
    directory = os.path.join(state_dir, "link/real")
    store_samples(directory, make_sample())
    assert latest(os.path.join(state_dir, "real")) == make_sample()


@pytest.mark.parametrize("writing", [False, True], ids=["reader", "writer"])
def test_a_link_that_comes_after_the_look_at_the_files_is_refused(
    state_dir: str, monkeypatch: pytest.MonkeyPatch, writing: bool
) -> None:
    """The race that an lstat() loses: SQLite itself follows links."""
    other = os.path.join(state_dir, "other")
    store_samples(other, make_sample())
    before = sql(other, "SELECT * FROM latest")
    os.symlink(os.path.join(other, DATABASE), os.path.join(state_dir, DATABASE))
    monkeypatch.setattr(statefiles, "check_files", lambda directory: True)
    reason = refusal(lambda: (Writer if writing else Reader)(state_dir).__enter__())
    assert reason == f"{state_dir}: {DATABASE} is a symbolic link"
    assert sql(other, "SELECT * FROM latest") == before


@pytest.mark.root
@pytest.mark.parametrize(
    ("directory_mode", "file_mode"), [(0o750, 0o640), (0o755, 0o640), (0o700, 0o666)], ids=["usual", "open", "closed"]
)
def test_who_may_not_read_is_told_so(state_dir: str, directory_mode: int, file_mode: int) -> None:
    store_samples(state_dir, make_sample())
    os.chmod(state_dir, directory_mode)
    os.chmod(os.path.join(state_dir, DATABASE), file_mode)
    reason = in_child(lambda: refusal(lambda: latest(state_dir)), uid=STRANGER)
    assert reason == f"{state_dir}: Permission denied"


@pytest.mark.parametrize("mode", ["nothing", "noise", "header", "page", "cut"])
def test_damage_is_named_and_left_alone(state_dir: str, mode: str) -> None:
    store_samples(state_dir, *map(make_sample, range(50)))
    path = os.path.join(state_dir, DATABASE)
    with open(path, "r+b") as file:
        if mode == "noise":
            file.write(os.urandom(8192))
        elif mode == "header":
            file.seek(16)
            file.write(b"\xff" * 40)
        elif mode == "page":
            for number in range(1, os.path.getsize(path) // 8192):
                file.seek(8192 * number)
                file.write(b"\xff" * 100)
        elif mode == "cut":
            file.truncate(20000)
    with open(path, "rb") as file:
        before = file.read()
    if mode == "nothing":
        assert latest(state_dir) == make_sample(49)
    else:
        reason = f"{state_dir}: {DATABASE} is damaged"
        assert refusal(lambda: latest(state_dir), DamagedError) == reason
        assert refusal(lambda: store_samples(state_dir, make_sample(50)), DamagedError) == reason
    with open(path, "rb") as file:
        assert file.read() == before


def test_another_programs_database_is_left_alone(state_dir: str) -> None:
    sql(state_dir, "CREATE TABLE a(b)", "PRAGMA user_version = 7")
    reason = f"{state_dir}: {DATABASE} belongs to another program"
    assert refusal(lambda: latest(state_dir)) == reason
    assert refusal(lambda: store_samples(state_dir, make_sample())) == reason
    assert sql(state_dir, "SELECT name FROM sqlite_master") == [("a",)]


def test_a_busy_database_is_no_damage(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    other = sqlite3.connect(os.path.join(state_dir, DATABASE), isolation_level=None)
    reason = f"{state_dir}: {DATABASE} is busy"
    other.execute("BEGIN IMMEDIATE")
    assert refusal(lambda: store_samples(state_dir, make_sample(1))) == reason
    assert latest(state_dir) == make_sample(0)  # readers go on beside a writer that has not begun to commit
    other.execute("ROLLBACK")
    other.execute("BEGIN EXCLUSIVE")
    assert refusal(lambda: latest(state_dir)) == reason
    other.execute("ROLLBACK")
    other.close()
    store_samples(state_dir, make_sample(1))


def test_a_write_that_was_cut_short_is_rolled_back_by_the_next_writer(state_dir: str) -> None:
    store_samples(state_dir, *map(make_sample, range(50)))
    kill_in_transaction(state_dir)
    reason = f"{state_dir}: a write was cut short, its owner's next look repairs it"
    assert refusal(lambda: latest(state_dir)) == reason
    store_samples(state_dir, make_sample(50))
    assert latest(state_dir) == make_sample(50)
    assert sql(state_dir, "SELECT DISTINCT method FROM sample") == [("sock_diag",)]
    assert sql(state_dir, "PRAGMA integrity_check") == [("ok",)]


def test_a_failed_transaction_leaves_nothing(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))

    def fail() -> None:
        with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer, writer.transaction():
            writer.insert(1, make_sample(1), "[]")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with Reader(state_dir) as reader:
        assert len(reader.recent("host", 9)) == 1


def test_what_the_database_cannot_hold_is_a_state_error(state_dir: str) -> None:
    too_wide = make_sample()._replace(counters={"Tcp.InSegs": 2**64})
    with pytest.raises(StateError, match="too large"):
        store_samples(state_dir, too_wide)
    with pytest.raises(StateError, match="surrogates"):
        store_samples(state_dir, make_sample(hostname="\udcff"))


def test_pragmas(state_dir: str) -> None:
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        wanted = {
            "journal_mode": "truncate",
            "synchronous": 2,
            "busy_timeout": 1000,
            "application_id": 0x74637074,
            "user_version": schema.VERSION,
            "trusted_schema": 0,
        }
        assert {name: writer._rows(f"PRAGMA {name}")[0][0] for name in wanted} == wanted


def test_store_offers_what_its_users_need() -> None:
    assert sorted(store.__all__) == store.__all__
    assert all(hasattr(store, name) for name in store.__all__)
