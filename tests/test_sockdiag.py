"""The dumps of one look: what is asked for, the pipelined walk, and what filters ask of the kernel."""

import sys
import threading
from collections.abc import Iterator

import pytest

from tcptide.errors import ConfigError, SourceError
from tcptide.kernel import sockdiag
from tcptide.kernel.sockdiag import Census, ReadAhead, SocketFilter, Walk
from tests.dumps import said
from tests.fixtures.record_sock_diag import leave, pairs
from tests.worlds import World, eventually, run


@pytest.mark.parametrize(
    ("states", "mask"),
    [
        ((), 0b11_1111_0111_1110 & ~(1 << 7)),
        (("ESTABLISHED",), 1 << 1),
        (("TIME_WAIT", "CLOSE_WAIT", "SYN_SENT"), 1 << 6 | 1 << 8 | 1 << 2),
        (("SYN_RECV",), 1 << 3),
        (("LISTEN",), 1 << 10),
        (("BOUND",), 1 << 13),
        (("BOUND", "BOUND", "CLOSING"), 1 << 13 | 1 << 11),
    ],
    ids=lambda value: ",".join(value) or "all" if isinstance(value, tuple) else "",
)
def test_mask_of(states: tuple[str, ...], mask: int) -> None:
    assert SocketFilter(states=states).mask == mask


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            "10.0.0.0/33",
            "--remote: '10.0.0.0/33' is no network: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network",
        ),
        ("", "--remote: '' is no network: '' does not appear to be an IPv4 or IPv6 network"),
        (
            "db.example",
            "--remote: 'db.example' is no network: 'db.example' does not appear to be an IPv4 or IPv6 network",
        ),
    ],
    ids=["prefix", "empty", "name"],
)
def test_what_is_no_network_is_named(network: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SocketFilter(remote=(network,)).program()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_a_network_may_be_written_in_other_ways(written: str, meant: str) -> None:
    assert SocketFilter(remote=(written,)).program() == SocketFilter(remote=(meant,)).program()


# Reading ahead


def numbered(until: int) -> Iterator[bytes]:
    for number in range(until):
        yield number.to_bytes(4, "big")


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sock_diag"]


@pytest.mark.parametrize("chunks", [0, 1, 2, 1000], ids=["none", "one", "two", "more-than-fit"])
def test_reading_ahead_changes_nothing(chunks: int) -> None:
    assert list(ReadAhead(numbered(chunks))) == list(numbered(chunks))


def test_chunks_read_ahead_are_copies() -> None:
    """A dump reuses its buffer."""

    def overwriting() -> Iterator[memoryview]:
        buffer = bytearray(4)
        for number in range(300):
            buffer[:] = number.to_bytes(4, "big")
            yield memoryview(buffer)

    assert list(ReadAhead(overwriting())) == list(numbered(300))


@pytest.mark.parametrize("error", [SourceError("sock_diag: dump failed"), MemoryError(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("after", [0, 1, 500])
def test_an_error_ahead_comes_after_what_was_read(error: BaseException, after: int) -> None:
    def failing() -> Iterator[bytes]:
        yield from numbered(after)
        raise error

    walk = ReadAhead(failing())
    assert [next(walk) for _ in range(after)] == list(numbered(after))
    with pytest.raises(type(error)) as caught:
        next(walk)
    assert caught.value is error


def test_a_walk_that_is_left_ends_its_thread() -> None:
    closed = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b""
        finally:
            closed.set()

    walk = ReadAhead(endless())
    next(walk)
    (thread,) = readers()
    walk.close()
    assert closed.wait(5)
    thread.join(5)
    assert readers() == []


def test_a_walk_that_was_never_begun_ends_its_thread() -> None:
    walk = ReadAhead(numbered(10_000))
    (thread,) = readers()
    walk.close()
    thread.join(5)
    assert readers() == []


LEAVE_EARLY = """
from tcptide.kernel.sockdiag import ReadAhead
print(next(ReadAhead(iter([b"a", b"b"] * 1000))))
"""

NO_THREAD = """
import resource
_, hard = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (0, hard))
from tcptide.kernel.sockdiag import Walk
ephemeral = bytes(20000 <= port <= 20099 for port in range(65536))
print(Walk().census((20000, 20099), ephemeral, None, None, 1_000_000).capacity)
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("program", "answer"), [(LEAVE_EARLY, "b'a'"), (NO_THREAD, "100")], ids=["left-early", "no-thread-to-be-had"]
)
def test_a_program_may_end_early_and_needs_no_thread(program: str, answer: str) -> None:
    with World():
        done = run([sys.executable, "-c", program], user="nobody")
    assert (done.stdout, done.stderr, done.returncode) == (f"{answer}\n", "", 0)


# The kernel's tables


@pytest.fixture
def world() -> Iterator[World]:
    with World(ip_local_port_range="20000 20099") as world:
        yield world


def census(sockets_expected: int = 0, hard_to_reach: int | None = None, *, tcp_info: bool = False) -> Census:
    ephemeral = bytes(20000 <= port <= 20099 for port in range(65536))
    port_range = (20000, 20099)
    return Walk().census(
        port_range, ephemeral, hard_to_reach, 20, sockets_expected, linger_seconds=0.0, tcp_info=tcp_info
    )


@pytest.mark.root
def test_what_decides_what_a_port_is(world: World) -> None:
    listener = world.listen("127.0.0.1", 8080)
    world.listen("::", 20009)
    world.bind("127.0.0.1", 20011)
    world.bind("::1", 20012)
    world.bind("127.0.0.1", 30000)
    pairs(world, listener, [20013, 30001])
    client, _ = world.pair(listener)
    found = census()
    assert sorted(entry.local_port for entry in found.deciding.listeners) == [8080, 20009]
    assert sorted(entry.local_port for entry in found.deciding.bound_idle) == [20011, 20012, 30000]
    assert [entry.local_port for entry in found.deciding.explicit] == [20013]
    assert found.barred == {20009, 20011, 20012, 20013}
    assert found.capacity == 96
    assert said(found.tally).bind == {"127.0.0.1": {20013, client.getsockname()[1]}}


@pytest.mark.root
@pytest.mark.parametrize(("barring", "capacity"), [(20000, 99), (20001, 98)], ids=["itself-barred", "another-barred"])
def test_a_port_hard_to_reach_counts_once(barring: int, capacity: int, world: World) -> None:
    world.bind("127.0.0.1", barring)
    assert census(hard_to_reach=20000).capacity == capacity


@pytest.mark.root
def test_the_pipelined_walk_equals_the_plain_one(world: World) -> None:
    listeners = [(host, world.listen(host, 8080)) for host in ("127.0.0.1", "::1")]
    leave(pairs(world, listeners[0][1], range(20090, 20095)))
    world.bind("127.0.0.1", 20096)
    for number in range(240):
        host, listener = listeners[number % 2]
        world.pair(listener) if number % 3 else pairs(world, listener, [21000 + number], host)
    plain, ahead = census(0), census(10**6)
    assert said(ahead.tally) == said(plain.tally)
    assert plain.tally.states()["ESTABLISHED"] == (240, 240)
    assert [sorted(group) for group in ahead.deciding] == [sorted(group) for group in plain.deciding]
    assert ahead[1:3] == plain[1:3]


@pytest.mark.root
def test_each_part_of_a_filter_is_the_kernel_s(world: World) -> None:
    """What is not wanted never leaves the kernel, whichever form it has."""
    listener = world.listen("127.0.0.1", 8080)
    pairs(world, listener, [30001], mapped=True)
    world.pair(world.listen("::1", 8080))
    leave(pairs(world, listener, [30002]))
    world.bind("127.0.0.1", 30003)

    def count(**parts: object) -> dict[str, tuple[int, int]]:
        states = Walk().filtered(SocketFilter()._replace(**parts)).states()  # type: ignore[arg-type]
        return {state: pair for state, pair in states.items() if pair != (0, 0)}

    assert count() == {"ESTABLISHED": (2, 2), "TIME_WAIT": (1, 0), "LISTEN": (1, 1), "BOUND": (1, 0)}
    assert count(family=4) == {"ESTABLISHED": (2, 0), "TIME_WAIT": (1, 0), "LISTEN": (1, 0), "BOUND": (1, 0)}
    assert count(family=6) == {"ESTABLISHED": (0, 2), "LISTEN": (0, 1)}
    assert count(family=4, states=("LISTEN", "TIME_WAIT")) == {"TIME_WAIT": (1, 0), "LISTEN": (1, 0)}
    assert count(states=("BOUND",)) == {"BOUND": (1, 0)}
    assert count(local_ports=(30001, 30003)) == {"ESTABLISHED": (1, 0), "BOUND": (1, 0)}
    assert count(remote=("127.0.0.1", "::/0")) == {"ESTABLISHED": (2, 2), "TIME_WAIT": (1, 0), "LISTEN": (0, 1)}


@pytest.mark.root
def test_asking_for_tcp_info_changes_no_count(world: World) -> None:
    listener = world.listen("127.0.0.1", 8080)
    leave(pairs(world, listener, [20001]))
    for client, _ in (world.pair(listener) for _ in range(20)):
        client.shutdown(1)
    for _ in range(20):
        world.pair(listener)
    assert eventually(lambda: census().tally.states()["FIN_WAIT2"], (20, 0)) == (20, 0)
    plain, asked = census(), census(tcp_info=True)
    assert said(asked.tally) == said(plain.tally)
    assert [asked.tally.states()[state] for state in ("ESTABLISHED", "CLOSE_WAIT")] == [(40, 0), (20, 0)]
    assert {who: len(ages) for who, ages in asked.infos.ages_ms().items()} == {
        who: len(ages) for who, ages in plain.infos.ages_ms().items()
    }


def test_the_request_asks_for_both_families_at_once() -> None:
    assert sockdiag.request(0xFFF) == bytes(52) + (0xFFF).to_bytes(4, sys.byteorder) + bytes(4)


def test_the_request_asks_for_tcp_info() -> None:
    assert sockdiag.request(0, tcp_info=True) == bytes((0, 0, 0, 1 << 1)) + bytes(56)
