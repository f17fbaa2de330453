import ctypes
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tcptide import history, snapshot, statefiles, trends
from tcptide.clock import SYSTEM, Clock
from tcptide.errors import SourceError
from tcptide.model import Look, Sample
from tcptide.series import point_of
from tcptide.statefiles import DATABASE, LOCK
from tcptide.store import Reader
from tcptide.writer import Writer
from tests.storing import BOOT, BOOTTIME, COOKIE, HandClock, in_child, kill_in_transaction, make_sample

OWNER, GROUP, MEMBER, STRANGER = 54001, 54002, 54003, 54004


def look(
    directory: str, clock: Clock = SYSTEM, take: Callable[[], Sample] | None = None, age: float = 0, **options: Any
) -> Look:
    """A look that begins when it is asked for, at most `age` seconds old."""

    def now() -> Sample:
        return make_sample(wall_seconds=clock.wall(), boottime_seconds=clock.boottime())

    defaults = {"boot_id": BOOT, "netns_cookie": COOKIE, "timeout_seconds": 8, "max_age_seconds": age}
    return snapshot.look(directory, "host", take or now, clock, **{**defaults, **options})


def never() -> Sample:
    raise AssertionError("looked, though a fresh sample was there")


def outcome(directory: str, **options: Any) -> tuple[bool, list[str]]:
    """(stored, notices) of a look, the directory's path cut out."""
    found = look(directory, **options)
    return found.stored, [notice.replace(directory, "DIR") for notice in found.notices]


def rows(directory: str) -> int:
    with Reader(directory) as reader:
        return len(reader.points("host", 0, 1e12))


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


ROLES: dict[str, tuple[int, tuple[int, ...]]] = {
    "root": (0, ()),
    "owner": (OWNER, (GROUP,)),
    "member": (MEMBER, (GROUP,)),
    "stranger": (STRANGER, ()),
}


def as_role(role: str, work: Callable[[], Any]) -> Any:
    uid, groups = ROLES[role]
    return in_child(work, uid=uid, groups=groups, umask=0o077)


@pytest.mark.root
@pytest.mark.parametrize("order", list(itertools.permutations(ROLES)), ids="-".join)
@pytest.mark.parametrize("made", [True, False], ids=["made", "missing"])
def test_everybody_in_every_order(state_dir: str, order: tuple[str, ...], made: bool) -> None:
    """The directory is the agent's, or is missing in the agent's home."""
    os.chown(state_dir, OWNER, GROUP)
    directory = state_dir
    if not made:
        directory = os.path.join(state_dir, "tcptide")
        os.chmod(state_dir, 0o2755)  # what is made inside is the group's
    writer_came = False
    for role in order:
        found = as_role(role, lambda: outcome(directory))
        fresh = as_role(role, lambda: outcome(directory, age=3600))
        if role in ("root", "owner"):
            writer_came = True
            assert found == fresh == [True, []]
        else:
            denied = [False, ["no history: DIR: Permission denied"]]
            assert found == denied
            assert fresh == ([True, []] if role == "member" and writer_came else denied)
        if role == "member" and writer_came:  # rates still come from history
            assert as_role(role, lambda: rows(directory)) == 1
    found_modes = {
        name: (status.st_uid, status.st_gid, oct(status.st_mode & 0o777))
        for name in ("", LOCK, DATABASE, f"{DATABASE}-journal")
        for status in [os.lstat(os.path.join(directory, name))]
    }
    files = dict.fromkeys((LOCK, DATABASE, f"{DATABASE}-journal"), (OWNER, GROUP, "0o640"))
    assert found_modes == {"": (OWNER, GROUP, "0o750"), **files}


@pytest.mark.root
def test_a_member_sees_rates_from_what_the_owner_stored(state_dir: str) -> None:
    os.chown(state_dir, OWNER, GROUP)
    clock = HandClock()
    minutes = iter(range(10))

    def look_next() -> Look:
        sample = make_sample(next(minutes))
        return look(state_dir, clock, lambda: sample)

    as_role("owner", lambda: look_next().stored)
    next(minutes)
    clock.sleep(60)

    def member() -> list[object]:
        found = look_next()
        with Reader(state_dir) as reader:
            rates = trends.rates(point_of(found.sample), reader.recent("host", 16))
        return [found.stored, rates.seconds, rates.per_second["active_opens"], rates.missing]

    assert as_role("member", member) == [False, 60.0, 1.0, None]


@pytest.mark.root
@pytest.mark.parametrize("first", ["owner", "stranger", "root"])
def test_a_directory_for_everybody_works_for_its_first_user(state_dir: str, first: str) -> None:
    """What a tester makes: root's, mode 0777. Whoever comes first owns the state; root follows."""
    os.chmod(state_dir, 0o777)
    assert as_role(first, lambda: outcome(state_dir)) == [True, []]
    assert as_role(first, lambda: outcome(state_dir)) == [True, []]
    assert as_role("root", lambda: outcome(state_dir)) == [True, []]
    assert as_role("root", lambda: outcome(state_dir, take=never, age=3600)) == [True, []]
    stored, (notice,) = as_role("member", lambda: outcome(state_dir))
    assert (stored, notice) == (False, "no history: DIR: Permission denied")
    assert {os.lstat(os.path.join(state_dir, name)).st_uid for name in os.listdir(state_dir)} == {ROLES[first][0]}


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def privately() -> None:
    """From now on this process's mounts are its own."""
    new_mount_namespace = 0x00020000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_mount_namespace):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("--make-rprivate", "/")


@pytest.mark.root
def test_a_read_only_file_system(state_dir: str) -> None:
    def work() -> list[Any]:
        look(state_dir, age=55)
        privately()
        mount("--bind", state_dir, state_dir)
        mount("-o", "remount,bind,ro", state_dir)
        missing = os.path.join(state_dir, "missing")
        return [
            outcome(state_dir, take=never, age=3600),
            outcome(state_dir),
            rows(state_dir),
            [notice.replace(missing, "DIR") for notice in look(missing).notices],
        ]

    read_only = "no history: DIR: Read-only file system"
    assert in_child(work) == [[True, []], [False, [read_only]], 1, [read_only]]


@pytest.mark.root
@pytest.mark.parametrize("options", ["size=400k", "size=32k", "size=8k", "nr_inodes=3", "nr_inodes=2", "nr_inodes=1"])
def test_a_full_disk(state_dir: str, options: str) -> None:
    """It fills after the first look or before it; the look is always answered, and all is well when there is room."""

    def work() -> list[Any]:
        privately()
        mount("-t", "tmpfs", "-o", options, "tmpfs", state_dir)
        clock = HandClock()
        looks = 0
        while (full := look(state_dir, clock)).stored:
            looks += 1
            clock.sleep(60)
        (notice,) = full.notices
        assert (rows(state_dir) if looks else 0) == looks
        mount("-o", "remount,size=4m,nr_inodes=100", state_dir)
        after = look(state_dir, clock)
        with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
            integrity = writer._rows("PRAGMA integrity_check")
        return [looks, notice.replace(state_dir, "DIR"), after.notices, rows(state_dir) - looks, integrity]

    looks, notice, after, more, integrity = in_child(work)
    assert (looks > 9) if options == "size=400k" else (looks == 0)
    assert notice in (
        "no history: DIR: database or disk is full",
        "no history: DIR: disk I/O error",
        "no history: DIR: No space left on device",
        "no history: DIR: unable to open database file",
    )
    assert (after, more, integrity) == ([], 1, [["ok"]])


@pytest.mark.parametrize(
    ("spoil", "notice"),
    [
        pytest.param("not a directory", "not a directory", id="a-file"),
        pytest.param("link", f"{DATABASE} is a symbolic link", id="a-link"),
        pytest.param("lock link", f"{LOCK} is a symbolic link", id="a-link-for-the-lock"),
        pytest.param("older", "older schema 0, run tcptide migrate", id="older"),
        pytest.param("newer", "schema 2 of a newer tcptide", id="newer"),
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
            pragma = {"older": "user_version = 0", "newer": "user_version = 2", "other": "application_id = 1"}[spoil]
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
