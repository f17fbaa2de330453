import os
import signal
import time
from typing import Any

import pytest

from tcptide import history, snapshot, statefiles
from tcptide.clock import SYSTEM
from tcptide.errors import SourceError
from tcptide.model import Look, Sample
from tcptide.statefiles import DATABASE, LOCK
from tcptide.writer import Writer
from tests.storing import (
    BOOT,
    BOOTTIME,
    COOKIE,
    HandClock,
    kill_in_transaction,
    look,
    make_sample,
    never,
    outcome,
    rows,
)


def test_a_look_is_stored_and_shared_while_it_is_fresh(state_dir: str) -> None:
    clock = HandClock()
    first = look(state_dir, clock, age=55)
    assert (first.stored, first.notices, first.sample.origin.boottime_seconds) == (True, (), clock.boottime())
    clock.sleep(55)
    assert look(state_dir, clock, never, age=55) == first
    assert snapshot.age_seconds(first.sample, clock) == 55
    clock.sleep(0.01)
    second = look(state_dir, clock, age=55)
    assert second.sample.origin.boottime_seconds == clock.boottime()
    assert look(state_dir, clock, never, age=0) == second  # it began when this was asked
    assert rows(state_dir) == 2


def looked_again(state_dir: str, clock: HandClock, **options: Any) -> bool:
    before = look(state_dir, clock, age=1e9).sample
    clock.sleep(10)
    return look(state_dir, clock, age=55, **options).sample != before


@pytest.mark.parametrize(
    ("options", "again"),
    [
        pytest.param({}, False, id="fresh"),
        pytest.param({"boot_id": "other"}, True, id="stale-other-boot"),
        pytest.param({"netns_cookie": COOKIE + 1}, True, id="stale-other-namespace"),
        pytest.param({"netns_cookie": None}, True, id="stale-kernel-without-cookies"),
        pytest.param({"max_age_seconds": snapshot.ALARM_AGE_SECONDS}, True, id="stale-for-an-alarm"),
        pytest.param({"wants": lambda sample: sample.tcp_info is not None}, False, id="fresh-has-what-is-wanted"),
        pytest.param({"wants": lambda sample: bool(sample.origin.privileged)}, True, id="stale-lacks-what-is-wanted"),
    ],
)
def test_what_is_fresh(state_dir: str, options: dict[str, Any], again: bool) -> None:
    assert looked_again(state_dir, HandClock(), **options) is again


def test_a_sample_from_the_future_of_this_boot_is_not_fresh(state_dir: str) -> None:
    """Another time namespace's, for instance."""
    clock = HandClock()
    look(state_dir, HandClock(boottime=clock.boottime() + 100))
    assert look(state_dir, clock, age=55).sample.origin.boottime_seconds == clock.boottime()


def test_a_wall_clock_that_steps_makes_nothing_fresh_or_stale(state_dir: str) -> None:
    clock = HandClock()
    look(state_dir, clock)
    assert look(state_dir, HandClock(wall=clock.wall() + 86400), never, age=55).stored
    assert look(state_dir, HandClock(wall=clock.wall() - 86400), never, age=55).stored


def test_sources_have_looks_of_their_own(state_dir: str) -> None:
    look(state_dir)
    other = make_sample(source="netns-1")
    found = snapshot.look(
        state_dir,
        "netns-1",
        lambda: other,
        SYSTEM,
        boot_id=BOOT,
        netns_cookie=COOKIE,
        max_age_seconds=55,
        timeout_seconds=8,
    )
    assert found == Look(other, True, ())


def test_an_error_of_the_look_is_passed_on_and_the_lock_is_free(state_dir: str) -> None:
    def fail() -> Sample:
        raise SourceError("netlink: EPERM")

    with pytest.raises(SourceError, match="netlink: EPERM"):
        look(state_dir, take=fail)
    assert look(state_dir).stored


def test_who_waits_too_long_for_another_looks_alone(state_dir: str) -> None:
    clock = HandClock()
    with statefiles.lock(state_dir, SYSTEM, 1):
        assert outcome(state_dir, clock=clock, timeout_seconds=8) == (
            False,
            ["no history: DIR: sampling.lock was held for 2.7 s"],
        )
        assert outcome(state_dir, clock=clock, timeout_seconds=60) == (
            False,
            ["no history: DIR: sampling.lock was held for 3.0 s"],
        )


class AskedClock:
    """The machine's clock, which notes once that its process has asked."""

    def __init__(self, path: str) -> None:
        self._path: str | None = path

    def wall(self) -> float:
        return SYSTEM.wall()

    def boottime(self) -> float:
        now = SYSTEM.boottime()
        if self._path is not None:
            note(self._path)
            self._path = None
        return now

    def sleep(self, seconds: float) -> None:
        SYSTEM.sleep(seconds)


def note(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(descriptor, b".")
    os.close(descriptor)


@pytest.mark.parametrize(("age", "looks"), [(55, {1}), (0, {1, 2})], ids=["one-look-at-55s", "two-at-most-at-0s"])
def test_32_processes_at_once(state_dir: str, age: float, looks: set[int]) -> None:
    asked, looked = (os.path.join(os.path.dirname(state_dir), name) for name in ("asked", "looked"))
    processes = 32
    gate, opener = os.pipe()

    def work() -> bool:
        os.close(opener)
        os.read(gate, 1)  # all begin together

        def take() -> Sample:
            sample = make_sample(wall_seconds=SYSTEM.wall(), boottime_seconds=SYSTEM.boottime())
            note(looked)
            while os.path.getsize(asked) < processes:
                time.sleep(0.005)
            return sample

        began = SYSTEM.boottime()
        found = look(state_dir, AskedClock(asked), take, age)
        return found.stored and found.notices == () and found.sample.origin.boottime_seconds >= began - age

    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if work() else 2
            finally:
                os._exit(status)
        children.append(child)
    os.close(gate)
    os.close(opener)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * processes
    assert os.path.getsize(looked) in looks
    assert rows(state_dir) == 1


def test_a_looker_that_is_killed_holds_nobody_up(state_dir: str) -> None:
    reading, writing = os.pipe()

    def hang() -> Sample:
        os.write(writing, b".")
        signal.pause()
        raise AssertionError

    child = os.fork()
    if child == 0:
        look(state_dir, take=hang)
    os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert outcome(state_dir) == (True, [])


def test_a_write_that_was_cut_short_is_repaired_by_the_owners_next_look(state_dir: str) -> None:
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.extend(writer, map(make_sample, range(50)))
    kill_in_transaction(state_dir)
    assert outcome(state_dir, clock=HandClock(boottime=BOOTTIME + 50 * 60), age=55) == (True, [])
    assert rows(state_dir) == 51


@pytest.mark.parametrize(
    ("spoil", "notice"),
    [
        pytest.param("not a directory", "not a directory", id="a-file"),
        pytest.param("link", f"{DATABASE} is a symbolic link", id="a-link"),
        pytest.param("lock link", f"{LOCK} is a symbolic link", id="a-link-for-the-lock"),
        pytest.param("older", "older schema 0, run tcptide migrate", id="older"),
        pytest.param("newer", "schema 99 of a newer tcptide", id="newer"),
        pytest.param("other", f"{DATABASE} belongs to another program", id="another-programs"),
        pytest.param("simulated", "holds a simulated history", id="simulated"),
    ],
)
def test_an_unusable_state_means_a_live_look_with_the_reason(state_dir: str, spoil: str, notice: str) -> None:
    directory = os.path.join(state_dir, "state")
    path = os.path.join(directory, DATABASE)
    look(directory, take=lambda: make_sample(simulated=spoil == "simulated"))
    match spoil:
        case "not a directory":
            directory = path
        case "link":
            os.rename(path, f"{path}.real")
            os.symlink(f"{path}.real", path)
        case "lock link":
            os.rename(os.path.join(directory, LOCK), os.path.join(directory, "other"))
            os.symlink("other", os.path.join(directory, LOCK))
        case "older" | "newer" | "other":
            pragma = {"older": "user_version = 0", "newer": "user_version = 99", "other": "application_id = 1"}[spoil]
            with statefiles.lock(directory, SYSTEM, 1), Writer(directory) as writer:
                writer._rows(f"PRAGMA {pragma}")
    before = snapshot_of(directory)
    assert outcome(directory) == (False, [f"no history: DIR: {notice}"])
    assert snapshot_of(directory) == before
    assert outcome(directory, migrate=True)[0] is (spoil == "older")


def snapshot_of(directory: str) -> dict[str, bytes]:
    if not os.path.isdir(directory):
        return {}
    content = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as file:
            content[name] = file.read()
    return content


def test_a_damaged_state_is_begun_anew_and_said_so_once(state_dir: str) -> None:
    look(state_dir)
    with open(os.path.join(state_dir, DATABASE), "wb") as file:
        file.write(b"x" * 9999)
    found = look(state_dir, age=55)
    (kept,) = statefiles.damaged_files(state_dir)
    assert (found.stored, found.notices) == (True, (f"no history: {state_dir}: was damaged, kept as {kept}",))
    assert look(state_dir, take=never, age=3600) == found._replace(notices=())


def test_a_failure_after_the_look_keeps_the_look(state_dir: str) -> None:
    sample = make_sample()._replace(counters={"Tcp.InSegs": 2**64})
    found = look(state_dir, take=lambda: sample)
    assert found.sample is sample
    assert (found.stored, len(found.notices)) == (False, 1)
    assert look(state_dir).stored
