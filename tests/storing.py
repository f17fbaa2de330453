"""What is stored in the tests of the state: a busy machine's samples; a clock set by hand; children as other users."""

import json
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tcptide import history, snapshot, statefiles
from tcptide.clock import SYSTEM, Clock
from tcptide.model import (
    STATES,
    Destination,
    Holder,
    Limits,
    Lingering,
    Listener,
    Look,
    Origin,
    Ports,
    Sample,
    TcpInfo,
)
from tcptide.statefiles import DATABASE, StateError
from tcptide.store import Reader
from tcptide.writer import Writer

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

BOOT = "6f1c1f6e-0d5f-4b5c-9a8b-3f2b6c1d2e3f"
COOKIE = 4097
WALL = 1_700_000_400.0  # 300 s into a quarter of an hour
BOOTTIME = 1_000_000.0

#: What the kernel has counted on a web server that has been up for a month.
COUNTERS = {
    "Tcp.ActiveOpens": 41_234_567,
    "Tcp.PassiveOpens": 98_765_432,
    "Tcp.AttemptFails": 123_456,
    "Tcp.EstabResets": 234_567,
    "Tcp.InSegs": 9_876_543_210,
    "Tcp.OutSegs": 12_345_678_901,
    "Tcp.RetransSegs": 3_456_789,
    "Tcp.InErrs": 12,
    "Tcp.OutRsts": 456_789,
    "TcpExt.TCPSynRetrans": 98_765,
    "TcpExt.TCPOrigDataSent": 8_765_432_109,
    "TcpExt.TW": 71_234_567,
    "TcpExt.TCPTimeWaitOverflow": 0,
    "TcpExt.ListenOverflows": 321,
    "TcpExt.ListenDrops": 345,
    "TcpExt.SyncookiesSent": 0,
    "TcpExt.TCPReqQFullDrop": 0,
    "TcpExt.TCPAbortOnMemory": 0,
    "TcpExt.TCPMemoryPressures": 0,
    "TcpExt.PruneCalled": 17,
    "TcpExt.TCPRcvQDrop": 0,
    "TcpExt.TCPBacklogDrop": 42,
    "sockstat.TCP.orphan": 3,
    "sockstat.TCP.mem": 23_456,
    "TcpExt.EmbryonicRsts": 23_456,
}


def make_sample(minute: float = 0, **origin: Any) -> Sample:
    """The sample of a minute; every list is longer than what history keeps, and the counters go on."""
    wall, boottime = WALL + 60 * minute, BOOTTIME + 60 * minute
    whence = Origin(
        "host", "web-01", BOOT, 4026531840, COOKIE, wall, boottime, 0.118, "sock_diag", False, ("a", "b"), False
    )
    past = int(60 * minute)
    return Sample(
        origin=whence._replace(**origin),
        states={state: (1000 + int(minute), 17) for state in STATES},
        counters={name: value + past * (number + 1) for number, (name, value) in enumerate(COUNTERS.items())},
        limits=Limits((32768, 60999), ((40000, 40009),), 2, 1000, 1, 65536, 65536, (1, 2, 3), 4096, 1234, 262144),
        ports=Ports(
            28222,
            28221,
            1,
            tuple(
                Destination("192.0.2.10", f"198.51.100.{number}", 5432, 25_974 - number, 12, 92.012, "app.service")
                for number in range(8)
            ),
            (("192.0.2.10", 12.345), ("192.0.2.11", 3.456)),
        ),
        listeners=(
            Listener("0.0.0.0", 443, 12, 128, 33, "nginx.service", 9.302),
            *(Listener("0.0.0.0", 8000 + number, 0, 128, 33, "nginx.service", 0.0) for number in range(9)),
        ),
        not_accepted=7,
        local_ports=tuple((443 + number, 1200 - number) for number in range(8)),
        remotes=tuple((f"203.0.113.{100 + number}", 120 - number) for number in range(8)),
        holders=(
            *(Holder("user", f"user{number}", {"ESTABLISHED": 1000, "CLOSE_WAIT": 12}) for number in range(6)),
            *(Holder("unit", f"app{number}.service", {"ESTABLISHED": 900, "LISTEN": 3}) for number in range(6)),
        ),
        lingering=(Lingering("unit", "app.service", "CLOSE_WAIT", 12, 3600.5),),
        tcp_info=TcpInfo(900, (1.5, 20.25, 80.125), 0.5, 1.25, 0.0, 321),
    )


class HandClock:
    """Stands still but for sleep()."""

    def __init__(self, wall: float = WALL, boottime: float = BOOTTIME) -> None:
        self._wall, self._boottime = wall, boottime

    def wall(self) -> float:
        return self._wall

    def boottime(self) -> float:
        return self._boottime

    def sleep(self, seconds: float) -> None:
        self._wall += seconds
        self._boottime += seconds


def in_child(work: Callable[[], Any], uid: int | None = None, groups: tuple[int, ...] = (), umask: int = 0o022) -> Any:
    """What work() returns (as JSON knows it) in a forked child that is that user, with its uid as its group too.

    More groups are supplementary. An exception in the child is printed and raised here.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.umask(umask)
            if uid is not None:
                os.setgroups(groups)
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.write(writing, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the child failed"
    return json.loads(answer)


def kill_in_transaction(directory: str) -> None:
    """Leave a hot journal: a writer was killed after it had begun to change the database itself."""

    def work() -> None:
        with Writer(directory) as writer, writer.transaction():
            writer._rows("PRAGMA cache_size = 1")  # pages reach the file before the transaction ends
            writer._rows("UPDATE sample SET method = 'killed'")
            writer._rows("UPDATE latest SET sample = 'killed'")
            writer._rows("UPDATE sample SET method = 'killed again'")
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        work()
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert os.path.getsize(os.path.join(directory, "tcptide.db-journal")) > 0


def store_samples(directory: str, *samples: Sample) -> None:
    with statefiles.lock(directory, SYSTEM, 1), Writer(directory) as writer:
        history.extend(writer, samples)


def sql(directory: str, *statements: str) -> list[object]:
    connection = sqlite3.connect(os.path.join(directory, DATABASE))
    rows: list[object] = []
    for statement in statements:
        rows = connection.execute(statement).fetchall()
    connection.commit()
    connection.close()
    return rows


def refusal(work: Callable[[], object], kind: type[StateError] = StateError) -> str:
    """What the error of exactly this kind says."""
    with pytest.raises(kind) as caught:
        work()
    assert type(caught.value) is kind
    return str(caught.value)


def latest(directory: str) -> Sample | None:
    with Reader(directory) as reader:
        return reader.latest("host")


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


def put(directory: str, name: str, content: str = "") -> str:
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(content)
    return path
