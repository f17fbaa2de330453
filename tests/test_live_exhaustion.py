"""Ephemeral ports used up step by step; the truth is what connect() and bind() themselves find by brute force."""

import errno
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
from tests.worlds import World, eventually, run, tcp_in_sockstat

pytestmark = pytest.mark.root

LOW = 20000
SERVICE = 9000  # the port of all destinations, outside every range used here
FAR = "10.99.0.1"  # an address outside 127.0.0.0/8
PROBE = "127.200.0.1"  # a destination that nobody uses
REUSE_DELAY_MS = "tcp_tw_reuse_delay"  # Linux 6.14; a fixed second before

Open = Callable[[], socket.socket]


class Case(NamedTuple):
    """A situation, how clients take a port in it, and how they leave."""

    name: str
    host: str = "127.0.0.1"  # both the client's and the server's address
    how: str = "connect"  # or 'mapped', 'every second mapped', 'no port', 'bind and connect', 'bind', 'unanswered'
    leave: str = ""  # or 'TIME_WAIT', 'FIN_WAIT2' (an orphan), 'CLOSE_WAIT'
    ports: int = 32  # size of the range
    before: Mapping[str, object] = {}  # sysctls
    reuse: int = 0  # tcp_tw_reuse once the ports are taken
    young: bool = False  # TIME_WAIT has not lasted as long as connect() asks
    around: Callable[[World], list[Open]] | None = None  # what else is there; gives the other destinations

    def open(self, world: World) -> socket.socket:
        if self.how == "bind":
            return world.bind(self.host)
        return world.connect(
            self.host,
            SERVICE,
            source=self.host if self.how in ("no port", "bind and connect") else None,
            source_port=0 if self.how == "bind and connect" else None,
            mapped=self.how == "mapped" or (self.how == "every second mapped" and len(world.keep) // 2 % 2 == 0),
            blocking=self.how != "unanswered",
        )

    def take(self, world: World, ports: int, listener: socket.socket) -> None:
        """Take so many ports, or all that there are: of an odd-sized range connect() may not reach the last."""
        for _ in range(ports):
            try:
                client = self.open(world)
            except OSError as error:
                assert error.errno == errno.EADDRNOTAVAIL
                break
            if self.how in ("bind", "unanswered"):
                continue
            server = world.accept(listener)
            if self.leave in ("TIME_WAIT", "FIN_WAIT2"):
                client.close()
            if self.leave in ("TIME_WAIT", "CLOSE_WAIT"):
                server.close()

    def age(self, world: World) -> None:
        """Set tcp_tw_reuse, and let TIME_WAIT grow older than the delay unless it is to be young."""
        world.sysctl("tcp_tw_reuse", self.reuse)
        settable = os.path.exists(f"/proc/sys/net/ipv4/{REUSE_DELAY_MS}")
        if settable:
            world.sysctl(REUSE_DELAY_MS, 60000 if self.young else 20)
        if self.reuse and not self.young:
            time.sleep(0.1 if settable else 1.1)


def bound_idle(world: World) -> list[Open]:
    for port in range(LOW, LOW + 24):
        world.bind("127.0.0.200", port)
    return []


def listeners(world: World) -> list[Open]:
    for port in range(LOW, LOW + 16):
        world.listen("127.0.0.200", port)
    return []


def dual_stack_listener(world: World) -> list[Open]:
    world.listen("::", LOW + 7)
    return []


def outside_listeners(world: World) -> list[Open]:
    """Not in the range: they bar nothing."""
    for port in range(LOW + 100, LOW + 110):
        world.listen("127.0.0.1", port)
    return []


def explicitly_bound(world: World) -> list[Open]:
    """Connected, to somewhere else, from ports of the range that bind() was told."""
    world.listen("127.1.0.1", SERVICE)
    for port in range(LOW, LOW + 12):
        world.connect("127.1.0.1", SERVICE, source="127.0.0.1", source_port=port)
    return []


def decoys(world: World) -> list[Open]:
    """Three busy destinations that together use nearly every port, none of them over 60 %."""
    others = [f"127.1.{number}.1" for number in range(3)]
    for other in others:
        world.listen(other, SERVICE)
        for _ in range(19):
            world.connect(other, SERVICE)
    return [lambda other=other: world.connect(other, SERVICE) for other in others]  # type: ignore[misc]


def incoming(world: World) -> list[Open]:
    """A busy server whose own port lies in the range; its clients' ports don't."""
    world.listen("127.0.0.1", LOW + 5)
    for port in range(31000, 31060):
        world.connect("127.0.0.1", LOW + 5, source="127.0.0.1", source_port=port)
    return []


def other_source(world: World) -> list[Open]:
    """The same server as the case's, from another local address."""

    def connect() -> socket.socket:
        return world.connect("127.0.0.1", SERVICE, source="127.0.0.9")

    for _ in range(19):
        connect()
    return [connect]


def reserved_in_use(world: World) -> list[Open]:
    """A program may still ask for a reserved port, and connect from it; connect() itself never uses it."""
    for port in range(LOW, LOW + 8):
        world.connect("127.0.0.1", SERVICE, source="127.0.0.1", source_port=port)
    return []


def other_family(world: World) -> list[Open]:
    """IPv6 connections bar no port to IPv4."""
    world.listen("::1", SERVICE)
    for _ in range(19):
        world.connect("::1", SERVICE)
    return [lambda: world.connect("::1", SERVICE)]


CASES = (
    Case("plain"),
    Case("not-loopback", host=FAR),
    Case("ipv6", host="::1"),
    Case("mapped", how="mapped"),
    Case("mapped-and-plain", how="every second mapped"),
    Case("bind-without-port", how="no port", host="127.0.0.9"),
    Case("unanswered", how="unanswered"),
    Case("close-wait", leave="CLOSE_WAIT"),
    Case("tiny-range", ports=10),
    Case("one-port", ports=1),
    Case("odd-range", ports=33),
    Case("time-wait", leave="TIME_WAIT"),
    Case("time-wait-reuse-1", leave="TIME_WAIT", reuse=1),
    Case("time-wait-reuse-1-young", leave="TIME_WAIT", reuse=1, young=True),
    Case("time-wait-reuse-1-no-timestamps", leave="TIME_WAIT", reuse=1, before={"tcp_timestamps": 0}),
    Case("time-wait-reuse-1-not-loopback", leave="TIME_WAIT", reuse=1, host=FAR),
    Case("time-wait-reuse-1-ipv6", leave="TIME_WAIT", reuse=1, host="::1"),
    Case("time-wait-reuse-2", leave="TIME_WAIT", reuse=2),
    Case("time-wait-reuse-2-not-loopback", leave="TIME_WAIT", reuse=2, host=FAR),
    Case("time-wait-reuse-2-ipv6", leave="TIME_WAIT", reuse=2, host="::1"),
    Case("time-wait-reuse-2-mapped", leave="TIME_WAIT", reuse=2, how="mapped"),
    Case("orphan-fin-wait2-reuse-1", leave="FIN_WAIT2", reuse=1),
    Case("reserved", before={"ip_local_reserved_ports": f"{LOW}-{LOW + 24},{LOW + 30},{LOW + 40}-{LOW + 50}"}),
    Case("bound-idle", around=bound_idle),
    Case("listeners", around=listeners),
    Case("listener-on-both-families", around=dual_stack_listener),
    Case("listeners-outside", around=outside_listeners),
    Case("reserved-and-listeners", around=listeners, before={"ip_local_reserved_ports": f"{LOW + 8}-{LOW + 19}"}),
    Case("explicitly-bound", around=explicitly_bound),
    Case("decoys", around=decoys),
    Case("other-source", around=other_source),
    Case("reserved-in-use", around=reserved_in_use, before={"ip_local_reserved_ports": f"{LOW}-{LOW + 7}"}),
    Case("incoming", around=incoming),
    Case("other-family", around=other_family),
    Case("bind-and-connect", how="bind and connect"),
    Case("bind-only", how="bind"),
)


def free(world: World, take: Open) -> int:
    """How many more would succeed now: taken until the kernel refuses, and given back without a trace."""
    taken: list[socket.socket] = []
    while True:
        try:
            taken.append(take())
        except OSError as error:
            assert error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
            world.reset(taken)
            return len(taken)


def used_percent(capacity: int, left: int) -> float:
    return 100 * (capacity - left) / capacity if left else 100.0


class Worst(NamedTuple):
    """Percent of the ports in use: towards the worst destination, and for bind() to the worst local address."""

    destination: float
    bind: float


class Ground:
    """A world in which the ports of a case are taken."""

    def __init__(self, world: World, case: Case, share: float, left: int) -> None:
        """Take the share of the ports towards the case's destination, less so many."""
        self.world, self.case = world, case
        for key, value in case.before.items():
            world.sysctl(key, value)
        if case.host == FAR:
            world.add_address(FAR)
        world.listen(PROBE, SERVICE)
        self.bindable = free(world, lambda: world.bind(PROBE))
        listener = world.listen(case.host, SERVICE, backlog=0 if case.how == "unanswered" else 1024)
        self.others = case.around(world) if case.around else []
        self.capacity = free(world, lambda: world.connect(PROBE, SERVICE))
        ports = max(0, int(self.capacity * share) - left)
        case.take(world, ports, listener)
        if case.leave:
            eventually(lambda: tcp_in_sockstat("tw"), ports)
            case.age(world)

    def truth(self) -> Worst:
        """By brute force. It takes over every TIME_WAIT port that can be had, so it comes last."""
        world, case = self.world, self.case
        held = [made for made in world.keep if made.fileno() >= 0]
        addresses = {made.getsockname()[0].removeprefix("::ffff:") for made in held} - {"::", "0.0.0.0"}
        bind = [free(world, lambda host=host: world.bind(host)) for host in {case.host, *addresses}]  # type: ignore[misc]
        targets = [free(world, take) for take in self.others]
        left = free(world, lambda: case.open(world) if case.how != "bind" else world.connect(case.host, SERVICE))
        if case.how != "bind" or not left:  # ports that bind() holds are barred: connect() has fewer, none of them used
            targets.append(left)
        return Worst(
            max((used_percent(self.capacity, left) for left in targets), default=0.0),
            max(used_percent(self.bindable, left) for left in bind),
        )


def as_sampled() -> Worst:
    ports = take_sample(ProcFs(), SYSTEM).ports
    assert ports is not None
    destination = ports.worst_percent
    return Worst(destination, ports.bind[0][1] if ports.bind else 0.0)


def as_checked(check: str, state_dir: str, user: str) -> Worst:
    done = run([check, "--max-age", "0", "--state-dir", state_dir], user=user)
    found = dict(re.findall(r"(worst_\w+)=([0-9.]+)%", done.stdout.splitlines()[0]))
    assert done.stderr == ""
    return Worst(float(found["worst_destination"]), float(found["worst_bind"]))


def agrees(said: float, true: float, case: Case) -> bool:
    """Within rounding, and 100 exactly when the kernel refuses; of an odd-sized range one port may be out of reach."""
    if case.ports % 2 and case.ports > 1:
        return abs(said - true) <= 100 / (case.ports - 1) + 0.06
    return abs(said - true) <= 0.06 and (said == 100) == (true == 100)


@pytest.mark.parametrize(
    ("share", "left"),
    [(0, 0), (0.5, 0), (1, 1), (1, 0)],
    ids=["none-used", "half-used", "all-but-one-used", "all-used"],
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_says_what_the_kernel_does(
    case: Case, share: float, left: int, script: Callable[[str], str], agents_state_dir: str
) -> None:
    with World(ip_local_port_range=f"{LOW} {LOW + case.ports - 1}", tcp_tw_reuse=0) as world:
        ground = Ground(world, case, share, left)
        said = [as_sampled()]
        if share == 1:  # both ways of being there, at the steps that matter most
            check = script("check_tcp_port_exhaustion")
            said.append(as_checked(check, agents_state_dir, "nobody" if left else "root"))
        true = ground.truth()
    for worst in said:
        for mine, kernels in zip(worst, true, strict=True):
            assert agrees(mine, kernels, case), f"said {said}, true {true}"


def test_only_old_time_wait_can_be_taken_over() -> None:
    """Half of the ports have been in TIME_WAIT for longer than the kernel's own tcp_tw_reuse_delay, half have not."""
    case = Case("", leave="TIME_WAIT")
    with World(ip_local_port_range=f"{LOW} {LOW + 31}", tcp_tw_reuse=0) as world:
        listener = world.listen(case.host, SERVICE)
        case.take(world, 16, listener)
        eventually(lambda: tcp_in_sockstat("tw"), 16)
        time.sleep(1.2)
        case.take(world, 16, listener)
        eventually(lambda: tcp_in_sockstat("tw"), 32)
        world.sysctl("tcp_tw_reuse", 1)
        ports = take_sample(ProcFs(), SYSTEM).ports
        assert ports is not None
        (worst,) = ports.worst
        assert (worst.ports_used, worst.reusable, worst.utilisation_percent) == (16, 16, 50.0)
        assert free(world, lambda: case.open(world)) == 16
