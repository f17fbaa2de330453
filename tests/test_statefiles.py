import os
import pwd
import stat
import subprocess
import sys
import time

import pytest

from tcptide import statefiles
from tcptide.clock import SYSTEM
from tcptide.statefiles import DATABASE, JOURNAL, LOCK, StateError
from tests.storing import (
    TREE,
    WALL,
    HandClock,
    in_child,
    put,
    refusal,
)

NOBODY, OWNER, STRANGER = 65534, 54320, 54321


def mode(path: str) -> str:
    return oct(os.lstat(path).st_mode & 0o7777)


def owner(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_uid, status.st_gid


def content(directory: str, name: str) -> str:
    with open(os.path.join(directory, name)) as file:
        return file.read()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177], ids=oct)
def test_modes_do_not_depend_on_the_umask(state_dir: str, umask: int) -> None:
    directory = os.path.join(state_dir, "new")

    def work() -> None:
        with statefiles.lock(directory, SYSTEM, 1):
            os.close(statefiles.open_or_make(directory, DATABASE))

    in_child(work, umask=umask)
    names = ("", LOCK, DATABASE)
    assert [mode(os.path.join(directory, name)) for name in names] == ["0o750", "0o640", "0o640"]


@pytest.mark.root
def test_root_makes_a_directory_for_the_owner_of_its_parent(state_dir: str) -> None:
    os.chown(state_dir, STRANGER, NOBODY)
    directory = os.path.join(state_dir, ".local/state/tcptide")
    with statefiles.lock(directory, SYSTEM, 1):
        pass
    assert owner(directory) == owner(os.path.dirname(directory)) == owner(os.path.join(directory, LOCK))
    assert owner(directory) == (STRANGER, NOBODY)
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.root
@pytest.mark.parametrize(
    ("directory_owner", "file_owner", "expected"),
    [
        pytest.param(0, None, 0, id="root-roots-own"),
        pytest.param(0, 0, 0, id="root-all-roots-own"),
        pytest.param(STRANGER, None, STRANGER, id="owner-of-the-directory"),
        pytest.param(STRANGER, STRANGER, STRANGER, id="owner-of-both"),
        pytest.param(0, STRANGER, STRANGER, id="owner-of-the-file-in-roots-directory"),
        pytest.param(STRANGER, 0, STRANGER, id="owner-of-the-directory-never-root-there"),
    ],
)
def test_whom_root_becomes(state_dir: str, directory_owner: int, file_owner: int | None, expected: int) -> None:
    os.chown(state_dir, directory_owner, directory_owner)
    if file_owner is not None:
        os.chown(put(state_dir, DATABASE), file_owner, file_owner)
    with statefiles.as_owner(state_dir):
        assert (os.geteuid(), os.getegid()) == (expected, expected)
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.root
def test_root_has_the_owners_groups_meanwhile(state_dir: str) -> None:
    os.chown(state_dir, STRANGER, STRANGER)
    daemon = pwd.getpwnam("daemon")
    other = os.path.join(state_dir, "of a user that the system knows")
    os.mkdir(other)
    os.chown(other, daemon.pw_uid, STRANGER)

    def groups() -> list[list[int]]:
        found = []
        for directory in (state_dir, other):
            with statefiles.as_owner(directory):
                found.append(sorted(os.getgroups()))
            found.append(sorted(os.getgroups()))
        return found

    owners = sorted(os.getgrouplist("daemon", STRANGER))
    assert in_child(groups, uid=0, groups=(0, 4)) == [[STRANGER], [0, 4], owners, [0, 4]]


@pytest.mark.root
def test_root_is_root_again_after_an_error(state_dir: str) -> None:
    os.chown(state_dir, STRANGER, STRANGER)
    with pytest.raises(KeyboardInterrupt), statefiles.as_owner(state_dir):
        assert os.geteuid() == STRANGER
        raise KeyboardInterrupt
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.root
def test_root_that_may_not_become_the_owner(state_dir: str) -> None:
    """As in a container without CAP_SETUID."""
    os.chown(state_dir, STRANGER, STRANGER)
    script = "import sys; from tcptide import statefiles\nwith statefiles.as_owner(sys.argv[1]): pass"
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-setuid", sys.executable, "-c", script, state_dir],
        check=False,
        capture_output=True,
        text=True,
        cwd=TREE,
    )
    expected = f"{state_dir}: cannot act as its owner uid {STRANGER}: Operation not permitted"
    assert done.stderr.splitlines()[-1] == f"tcptide.statefiles.StateError: {expected}"


@pytest.mark.parametrize("name", [DATABASE, JOURNAL])
def test_links_and_other_things_are_refused(state_dir: str, name: str) -> None:
    assert not statefiles.check_files(state_dir)
    path = os.path.join(state_dir, name)
    os.symlink(put(state_dir, "target"), path)
    assert refusal(lambda: statefiles.check_files(state_dir)) == f"{state_dir}: {name} is a symbolic link"
    os.unlink(path)
    os.mkfifo(path)
    assert refusal(lambda: statefiles.check_files(state_dir)) == f"{state_dir}: {name} is not a regular file"
    os.unlink(path)
    put(state_dir, name)
    assert statefiles.check_files(state_dir) == (name == DATABASE)


def test_a_link_for_a_lock_is_refused(state_dir: str) -> None:
    os.symlink(os.path.join(state_dir, "target"), os.path.join(state_dir, LOCK))
    assert refusal(lambda: statefiles.open_or_make(state_dir, LOCK)) == f"{state_dir}: {LOCK} is a symbolic link"
    assert os.listdir(state_dir) == [LOCK]


def refused(directory: str, uid: int) -> list[str]:
    """Which file that user is refused for, and whose it is; nothing if the user may trust them."""

    def work() -> list[str]:
        try:
            statefiles.check_files(directory)
        except StateError as error:
            return error.reason.split(" belongs to uid ")
        return []

    found: list[str] = in_child(work, uid=uid)
    return found


@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "directory", "database", "journal", "caller", "expected"),
    [
        pytest.param(0o750, OWNER, OWNER, OWNER, OWNER, [], id="ok-the-owners"),
        pytest.param(0o750, OWNER, OWNER, None, OWNER, [], id="ok-no-journal"),
        pytest.param(0o755, OWNER, OWNER, OWNER, STRANGER, [], id="ok-for-others"),
        pytest.param(0o775, 0, OWNER, OWNER, STRANGER, [], id="ok-made-by-one-of-a-group"),
        pytest.param(0o777, OWNER, OWNER, OWNER, STRANGER, [], id="ok-the-owners-in-a-directory-for-everybody"),
        pytest.param(0o777, 0, OWNER, OWNER, OWNER, [], id="ok-ones-own-in-a-directory-for-everybody"),
        pytest.param(0o777, 0, OWNER, OWNER, STRANGER, [DATABASE, OWNER], id="refused-somebodys-in-such-a-directory"),
        pytest.param(0o777, 0, OWNER, OWNER, 0, [], id="ok-for-root-that-becomes-its-owner"),
        pytest.param(0o1777, OWNER, STRANGER, None, OWNER, [DATABASE, STRANGER], id="refused-whatever-the-sticky-bit"),
        pytest.param(0o777, OWNER, OWNER, STRANGER, OWNER, [JOURNAL, STRANGER], id="refused-somebody-elses-journal"),
        pytest.param(0o777, OWNER, OWNER, STRANGER, 0, [JOURNAL, STRANGER], id="refused-even-for-root"),
        pytest.param(0o775, 0, 0, STRANGER, 0, [JOURNAL, STRANGER], id="refused-a-journal-from-the-group-beside-roots"),
        pytest.param(0o750, OWNER, OWNER, 0, OWNER, [], id="ok-roots-journal"),
        pytest.param(0o755, OWNER, None, STRANGER, OWNER, [JOURNAL, STRANGER], id="refused-a-journal-in-wait"),
    ],
)
def test_whose_files_are_trusted(
    state_dir: str,
    mode: int,
    directory: int,
    database: int | None,
    journal: int | None,
    caller: int,
    expected: list[object],
) -> None:
    for name, owner in ((DATABASE, database), (JOURNAL, journal)):
        if owner is not None:
            os.chown(put(state_dir, name), owner, owner)
    os.chown(state_dir, directory, directory)
    os.chmod(state_dir, mode)
    assert refused(state_dir, caller) == [str(word) for word in expected]


def test_the_lock_is_waited_for_and_then_given_up(state_dir: str) -> None:
    clock = HandClock()
    with statefiles.lock(state_dir, SYSTEM, 1):
        work = statefiles.lock(state_dir, clock, 2.5)
        assert refusal(work.__enter__) == f"{state_dir}: sampling.lock was held for 2.5 s"
    assert clock.wall() - WALL == pytest.approx(2.5, abs=0.011)
    with statefiles.lock(state_dir, clock, 0):
        pass


def test_the_lock_of_a_killed_process_is_free(state_dir: str) -> None:
    script = (
        "import sys, time; from tcptide import statefiles; from tcptide.clock import SYSTEM\n"
        "with statefiles.lock(sys.argv[1], SYSTEM, 1): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, state_dir],
        stdout=subprocess.PIPE,
        cwd=TREE,
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(StateError), statefiles.lock(state_dir, SYSTEM, 0):
        pass
    holder.kill()
    holder.communicate()
    with statefiles.lock(state_dir, SYSTEM, 1):
        pass


def test_set_aside_keeps_everything_under_new_names(state_dir: str) -> None:
    for number in range(2):
        put(state_dir, DATABASE, f"data {number}")
        put(state_dir, JOURNAL, f"journal {number}")
        statefiles.set_aside(state_dir, WALL)
    found = {name: content(state_dir, name) for name in os.listdir(state_dir)}
    stamp = f"{DATABASE}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(WALL))}"
    assert found == {
        stamp: "data 0",
        f"{stamp}-journal": "journal 0",
        f"{stamp}.2": "data 1",
        f"{stamp}.2-journal": "journal 1",
    }
    assert statefiles.damaged_files(state_dir) == [stamp, f"{stamp}.2"]
    assert statefiles.size_bytes(state_dir) == 0


def test_after_the_third_in_a_day_nothing_is_set_aside(state_dir: str) -> None:
    day = 86400
    for wall in (WALL - 1.5 * day, WALL - 0.9 * day, WALL - 100, WALL):
        put(state_dir, DATABASE)
        statefiles.set_aside(state_dir, wall)
    put(state_dir, DATABASE)
    reason = f"{state_dir}: damaged again, 3 damaged files within a day"
    assert refusal(lambda: statefiles.set_aside(state_dir, WALL + 60)) == reason
    assert os.path.exists(os.path.join(state_dir, DATABASE))
    statefiles.set_aside(state_dir, WALL + day)
    assert len(statefiles.damaged_files(state_dir)) == 5


def test_size_counts_the_database_and_its_journal(state_dir: str) -> None:
    put(state_dir, DATABASE, "x" * 100)
    put(state_dir, JOURNAL, "x" * 10)
    put(state_dir, "tcptide.db.damaged-20260101T000000Z", "x")
    assert statefiles.size_bytes(state_dir) == 110


def test_a_directory_bit_is_kept(state_dir: str) -> None:
    """A directory that is there keeps the mode that its administrator gave it."""
    os.chmod(state_dir, 0o2770)
    statefiles.make_directory(state_dir)
    assert stat.S_IMODE(os.stat(state_dir).st_mode) == 0o2770
