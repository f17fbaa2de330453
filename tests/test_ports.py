"""The arithmetic of ephemeral ports, against the kernel's own walk over the range; in Python, and for real."""

import errno
import random
from collections.abc import Collection

import pytest

from tcptide import ports
from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Limits
from tcptide.ports import Taken, Use
from tcptide.sampler import take_sample
from tests.worlds import World


def limits(
    low: int,
    high: int,
    *reserved: tuple[int, int],
    reuse: int | None = 2,
    delay: int | None = 1000,
    timestamps: int | None = 1,
) -> Limits:
    return Limits((low, high), reserved, reuse, delay, timestamps, None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("low", "high", "reserved", "expected"),
    [
        (32768, 60999, (), 28232),
        (32768, 60999, ((32768, 32777), (60999, 65535), (8080, 8080)), 28221),
        (20000, 20009, ((20000, 20009),), 0),
        (20000, 20009, ((20001, 20003), (20003, 20004)), 6),
        (20000, 20000, (), 1),
        (1, 65535, ((1, 65534),), 1),
    ],
    ids=["default", "reserved-at-the-ends", "all-reserved", "reserved-twice", "one-port", "last-port"],
)
def test_ephemeral_ports(low: int, high: int, reserved: tuple[tuple[int, int], ...], expected: int) -> None:
    table = ports.ephemeral(limits(low, high, *reserved))
    usable = {port for port in range(low, high + 1) if not any(a <= port <= b for a, b in reserved)}
    assert (len(table), {port for port in range(65536) if table[port]}, len(usable)) == (65536, usable, expected)


@pytest.mark.parametrize(
    ("low", "high", "reserved", "expected"),
    [
        (20000, 20009, (), None),
        (20000, 20010, (), 20000),
        (20000, 20010, ((20000, 20000),), None),
        (20000, 20010, ((20001, 20010),), 20000),
        (20000, 20000, (), None),
        (20000, 20001, (), None),
        (20000, 20002, (), 20002),
        (20000, 20002, ((20002, 20002),), None),
    ],
    ids=["even", "odd", "odd-reserved", "odd-others-reserved", "one", "two", "three", "three-reserved"],
)
def test_the_port_hard_to_reach(
    low: int, high: int, reserved: tuple[tuple[int, int], ...], expected: int | None
) -> None:
    of = limits(low, high, *reserved)
    assert ports.hard_to_reach(of, ports.ephemeral(of)) == expected


@pytest.mark.parametrize(
    ("given", "after_ms"),
    [
        (limits(1, 2, reuse=0), None),
        (limits(1, 2, reuse=None), None),
        (limits(1, 2, reuse=1, timestamps=0), None),
        (limits(1, 2, reuse=1, timestamps=None), None),
        (limits(1, 2, reuse=1, delay=20), 20),
        (limits(1, 2, reuse=2, delay=0), 0),
        (limits(1, 2, reuse=2, delay=None), 1000),
    ],
    ids=["off", "unknown", "no-timestamps", "timestamps-unknown", "on", "loopback-at-once", "before-6.14"],
)
def test_time_wait_may_be_taken_over_after(given: Limits, after_ms: int | None) -> None:
    assert ports.take_over_after_ms(given) == after_ms


def by_destination(reuse: int, capacity: int, taken: Taken[str], at_most: int = 20) -> list[Use[str]]:
    return ports.by_destination(
        limits(20000, 20009, reuse=reuse), capacity, taken, lambda key: key.startswith("lo"), at_most
    )


def taken(ports: dict[str, int], old: dict[str, int] | None = None) -> Taken[str]:
    return Taken(ports, {}, old or {}, (), ())


@pytest.mark.parametrize(
    ("reuse", "capacity", "given", "expected"),
    [
        (2, 10, taken({}), []),
        (2, 10, taken({"a": 5}), [Use("a", 5, 0, 50.0)]),
        (2, 10, taken({"a": 10}), [Use("a", 10, 0, 100.0)]),
        (2, 10, taken({"a": 11}), [Use("a", 11, 0, 100.0)]),
        (2, 0, taken({"a": 0}), [Use("a", 0, 0, 100.0)]),
        (2, 8, taken({"a": 2, "b": 6, "c": 3}), [Use("b", 6, 0, 75.0), Use("c", 3, 0, 37.5), Use("a", 2, 0, 25.0)]),
        (1, 10, taken({"a": 9, "lo": 9}, {"a": 8, "lo": 9}), [Use("a", 1, 8, 10.0), Use("lo", 0, 9, 0.0)]),
        (2, 10, taken({"a": 9, "lo": 9}, {"a": 8, "lo": 9}), [Use("a", 9, 0, 90.0), Use("lo", 0, 9, 0.0)]),
        (1, 10, taken({"a": 4, "b": 6}, {"b": 2}), [Use("b", 4, 2, 40.0), Use("a", 4, 0, 40.0)]),
        (1, 10, Taken({"a": 10, "b": 10}, {}, {}, {"b"}, ()), [Use("a", 10, 0, 100.0), Use("b", 10, 0, 1000 / 11)]),
        (1, 10, Taken({"b": 11}, {}, {}, {"b"}, ()), [Use("b", 11, 0, 100.0)]),
        (1, 10, Taken({"b": 11}, {}, {"b": 1}, {"b"}, ()), [Use("b", 10, 1, 1000 / 11)]),
        (1, 10, Taken({"b": 11}, {}, {"b": 1}, {"b"}, {"b"}), [Use("b", 10, 1, 100.0)]),
        (2, 10, Taken({"b": 11}, {}, {"b": 1}, {"b"}, {"b"}), [Use("b", 11, 0, 100.0)]),
    ],
    ids=[
        "no-destination",
        "half",
        "full",
        "more-than-full",
        "no-port-at-all",
        "fullest-first",
        "reuse",
        "reuse-on-loopback",
        "most-reusable-first",
        "fullest-first-of-an-odd-range",
        "hard-to-reach-port-in-use",
        "another-port-reusable",
        "hard-to-reach-port-reusable",
        "hard-to-reach-port-not-reusable",
    ],
)
def test_destinations(reuse: int, capacity: int, given: Taken[str], expected: list[Use[str]]) -> None:
    assert by_destination(reuse, capacity, given) == expected


def test_time_wait_is_passed_on() -> None:
    assert by_destination(1, 10, Taken({"a": 9}, {"a": 7}, {"a": 3}, (), ())) == [Use("a", 6, 3, 60.0, 7)]


def test_only_the_fullest_are_given() -> None:
    given = taken({str(number): number for number in random.Random(3).sample(range(1000), 1000)})
    assert by_destination(2, 1000, given, 3) == [Use(str(n), n, 0, n / 10) for n in (999, 998, 997)]
    odd = Taken({"a": 10, "b": 10, "c": 1}, {}, {}, {"b"}, ())
    assert [use.key for use in by_destination(2, 10, odd, 1)] == ["a"]


@pytest.mark.parametrize(
    ("held", "size", "hard", "expected"),
    [
        (set(), 10, None, 0.0),
        ({20001, 20002}, 10, None, 20.0),
        (set(range(20000, 20010)), 10, None, 100.0),
        (set(), 0, None, 100.0),
        (set(range(20001, 20011)), 11, 20000, 100.0),
        (set(range(20000, 20010)), 11, 20000, 1000 / 11),
    ],
    ids=["none", "some", "all", "no-port-at-all", "odd-all-but-the-lowest", "odd-all-but-the-highest"],
)
def test_bind(held: set[int], size: int, hard: int | None, expected: float) -> None:
    table = ports.ephemeral(limits(20000, 20000 + size - 1)) if size else bytes(65536)
    assert ports.bind_percent(held, table, hard) == expected


# The kernel's walk


def found(low: int, high: int, start: int, blocked: Collection[int]) -> bool:
    """Whether __inet_hash_connect() finds a port, from an even start; bind's inet_csk_find_open_port() walks alike."""
    high += 1
    remaining = high - low
    if remaining > 1:
        remaining &= ~1
    for offset in (start, start + 1):
        port = low + offset
        for _ in range(0, remaining, 2):
            if port >= high:
                port -= remaining
            if port not in blocked:
                return True
            port += 2
    return False


def starts(size: int) -> Collection[int]:
    """Where the walk may begin; the one start in size / 2 that finds the lowest port of an odd range is left out."""
    even = range(0, size & ~1 or 1, 2)
    return even[1:] if size % 2 and size > 3 else even


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 33], ids=lambda size: f"{size}-ports")
def test_full_exactly_when_the_kernel_finds_no_port(size: int) -> None:
    dice = random.Random(size)
    low, high = 20000, 20000 + size - 1
    whole = range(low, high + 1)
    for _ in range(400):
        reserved = {port for port in whole if dice.random() < 0.2}
        barred = {port for port in whole if dice.random() < 0.2} - reserved
        used = {port for port in whole if dice.random() < dice.choice([0.6, 0.95, 1])}
        of = limits(low, high, *((port, port) for port in reserved))
        table = ports.ephemeral(of)
        hard = ports.hard_to_reach(of, table)
        lowest = None if hard in barred else hard
        mine = used - reserved - barred
        capacity = table.count(1) - len(barred) - (lowest is not None)
        given = Taken({"a": len(mine)}, {}, {}, {"a"} if lowest in mine else (), ())
        (use,) = by_destination(0, capacity, given)
        held = used - reserved
        for start in starts(size):
            connects, binds = (
                found(low, high, start, blocked) for blocked in (used | reserved | barred, held | reserved)
            )
            assert (use.utilisation_percent < 100) == connects, (reserved, barred, used, start)
            assert (ports.bind_percent(held, table, hard) < 100) == binds, (reserved, used, start)


# For real, where nothing depends on the random start


def connect_percent() -> float:
    seen = take_sample(ProcFs(), SYSTEM).ports
    return seen.worst_percent if seen else -1


def bind_percent() -> float:
    seen = take_sample(ProcFs(), SYSTEM).ports
    assert seen is not None
    return max((each for address, each in seen.bind or () if address in ("127.0.0.1", "0.0.0.0")), default=0.0)


@pytest.mark.root
@pytest.mark.parametrize("how", ["connect", "bind"])
@pytest.mark.parametrize("around", ["nothing", "first-reserved", "first-barred", "last-reserved", "last-barred"])
@pytest.mark.parametrize("size", [1, 2, 3, 4], ids=lambda size: f"{size}-ports")
def test_few_ports(size: int, around: str, how: str) -> None:
    """Taken until the kernel refuses: 100 % is said then, and not before."""
    port = 20000 if around.startswith("first") else 20000 + size - 1
    reserved = str(port) if around.endswith("reserved") else ""
    with World(ip_local_port_range=f"20000 {20000 + size - 1}", ip_local_reserved_ports=reserved) as world:
        world.listen("127.0.0.1", 9000)
        if around.endswith("barred"):
            world.bind("127.0.0.1", port)
        percents = []
        refused = False
        while not refused:
            percents.append(connect_percent() if how == "connect" else bind_percent())
            try:
                world.connect("127.0.0.1", 9000) if how == "connect" else world.bind("127.0.0.1")
            except OSError as error:
                assert error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
                refused = True
    assert percents == sorted(set(percents))
    assert [percent == 100 for percent in percents] == [False] * (len(percents) - 1) + [True]
