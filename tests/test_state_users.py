"""The state as root, its owner, a member of its group and a stranger use it; and on disks that fail."""

import ctypes
import itertools
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tcptide import statefiles, trends
from tcptide.clock import SYSTEM
from tcptide.model import Look
from tcptide.series import point_of
from tcptide.statefiles import DATABASE, LOCK
from tcptide.store import Reader
from tcptide.writer import Writer
from tests.storing import (
    HandClock,
    in_child,
    look,
    make_sample,
    never,
    outcome,
    rows,
)

OWNER, GROUP, MEMBER, STRANGER = 54001, 54002, 54003, 54004

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
    os.chmod(state_dir, 0o750 if made else 0o2755)  # 2: what is made inside is the group's
    directory = state_dir if made else os.path.join(state_dir, "tcptide")
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
    os.chmod(state_dir, 0o750)
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
