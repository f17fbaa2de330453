"""A state that was damaged in ways SQLite doesn't notice: the check still answers with what is the case now."""

import os
import sqlite3
from collections.abc import Callable

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel import netns
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
from tcptide.store import Reader
from tests.storing import store_samples
from tests.worlds import World, run

pytestmark = pytest.mark.root


def fill(directory: str) -> str:
    """A sample of a minute and a half ago; returns its source."""
    source = netns.source_name(ProcFs())
    sample = take_sample(ProcFs(), SYSTEM, source=source)
    origin = sample.origin._replace(
        wall_seconds=sample.origin.wall_seconds - 90, boottime_seconds=sample.origin.boottime_seconds - 90
    )
    store_samples(directory, sample._replace(origin=origin))
    return source


def damage_schema(path: str) -> None:
    with open(path, "r+b") as file:
        file.seek(file.read().find(b"CREATE TABLE latest") + 8)
        file.write(b"\xb7")


def update(column: str, value: str) -> Callable[[str], None]:
    def damage(path: str) -> None:
        with sqlite3.connect(path) as store:
            store.execute(f"UPDATE sample SET {column} = {value}")

    return damage


@pytest.mark.parametrize(
    ("damage", "kept_apart"),
    [
        (damage_schema, True),
        (update("boottime", "'x'"), False),
        (update("total", "'many'"), False),
        (update("boot_id", "CAST(x'ff41' AS TEXT)"), False),
    ],
    ids=["schema", "text-for-a-time", "text-for-a-count", "no-utf-8"],
)
def test_the_answer_is_live_and_the_next_look_is_stored(
    damage: Callable[[str], None], kept_apart: bool, script: Callable[[str], str], state_dir: str
) -> None:
    check = [script("check_tcp_connections"), "--state-dir", state_dir, "-c", "@0:"]
    with World():
        source = fill(state_dir)
        damage(os.path.join(state_dir, "tcptide.db"))
        first = run([*check, "--max-age", "0"])
        again = run(check)
        with Reader(state_dir) as reader:
            assert reader.latest(source) is not None
            rows = len(reader.recent(source, 10))
    assert (first.returncode, again.returncode) == (2, 2)
    assert ("(no history" in first.stdout.splitlines()[0]) == kept_apart
    assert "(no history" not in again.stdout
    assert any(".damaged-" in name for name in os.listdir(state_dir)) == kept_apart
    assert rows >= 1


def test_a_slow_disk_does_not_cost_the_answer(script: Callable[[str], str], state_dir: str) -> None:
    check = [script("check_tcp_connections"), "--state-dir", state_dir, "-c", "@0:", "-t", "1"]
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fdatasync:delay_enter=700000"]
    with World():
        done = run([*slow, *check])
    assert done.returncode == 2
    first = done.stdout.splitlines()[0]
    assert first.startswith("TCP_CONNECTIONS CRITICAL - 0 connections")
    assert "(no history: /tmp/" in first  # cut to what the line has room for
    assert "no answer within 1" in first
