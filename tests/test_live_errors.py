"""What the kernel counts as failed, held against what the checks make of it."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from tcptide import usage
from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Rates
from tcptide.sampler import take_sample
from tcptide.series import COUNTERS, point_of
from tests.worlds import World, eventually

pytestmark = pytest.mark.root

LOOPBACK = "127.0.0.1"


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def counted(happen: Callable[[], None]) -> Rates:
    """What the counters went up by, as if in a second."""
    before = point_of(take_sample(ProcFs(), SYSTEM)).values
    happen()
    after = point_of(take_sample(ProcFs(), SYSTEM)).values
    return Rates(1.0, {name: (after[name] or 0) - (before[name] or 0) for name in COUNTERS}, None)


def syn(source_port: int, port: int) -> bytes:
    """A TCP header that asks for a connection from LOOPBACK to itself."""
    header = struct.pack("!HHLLBBHHH", source_port, port, 1000, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = socket.inet_aton(LOOPBACK) * 2 + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header))
    total = sum(struct.unpack(f"!{(len(pseudo) + len(header)) // 2}H", pseudo + header))
    total = (total >> 16) + (total & 0xFFFF)
    return header[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + header[18:]


def test_half_open_health_checks_are_attempts_that_failed_but_no_failed_opens(world: World) -> None:
    """As a load balancer does it: SYN, SYN-ACK, and a reset from a kernel that knows of no such connection."""
    world.listen(LOOPBACK, 8080)

    def check() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            for number in range(10):
                raw.sendto(syn(40_000 + number, 8080), (LOOPBACK, 0))
        eventually(lambda: ProcFs().counters()["TcpExt.EmbryonicRsts"], 10)

    found = counted(check)
    assert (found.per_second["attempt_fails"], found.per_second["passive_opens"]) == (10, 0)
    assert usage.failed_opens(found) is None


def test_refused_connects_are_failed_opens(world: World) -> None:
    listener = world.listen(LOOPBACK, 8080)

    def connect() -> None:
        for _ in range(3):
            world.pair(listener)
        for _ in range(7):
            with contextlib.suppress(ConnectionRefusedError):
                world.connect(LOOPBACK, 9)

    assert usage.failed_opens(counted(connect)) == (7, 13)
