"""Filter programs as the kernel runs them for an ordinary user, against the same conditions in Python."""

import ipaddress
import random
import socket
from collections.abc import Callable, Iterator
from struct import unpack_from
from typing import NamedTuple

import pytest

from tcptide.errors import ConfigError
from tcptide.kernel import bytecode
from tcptide.kernel.sockdiag import BOUND_IDLE, FULL, LISTEN, SHORT, SocketFilter
from tests.dumps import address, split
from tests.fixtures.record_sock_diag import dump, leave, pairs
from tests.worlds import World

ALL = LISTEN | BOUND_IDLE | FULL | SHORT
HOSTS = ("127.0.0.1", "127.0.5.5", "10.1.2.3", "::1", "fd00::1", "fd00:0:0:1::ffff:1")
EXPLICIT = range(20000, 20020)  # local ports that bind() was told
LISTENING = (8080, 8081, 8082)


class Row(NamedTuple):
    state: int
    local: ipaddress.IPv4Address | ipaddress.IPv6Address
    remote: ipaddress.IPv4Address | ipaddress.IPv6Address
    local_port: int
    remote_port: int
    inode: int

    @property
    def automatic(self) -> bool:
        """The port is connect()'s choice, or a listener's whose connection this is; short messages tell no more."""
        accepted = self.local_port in LISTENING and self.remote_port != 0
        return accepted or self.local_port not in (*EXPLICIT, *LISTENING) or self.state in (3, 6)


Passes = Callable[[Row], bool]


def rows(program: bytes = b"") -> set[Row]:
    found = [
        Row(
            message[17],
            address(message[16], message[24:40]),
            address(message[16], message[40:56]),
            *unpack_from(">HH", message, 20),
            *unpack_from("=I", message, 84),
        )
        for chunk in dump(ALL, program, user="nobody")[:-1]
        for message in split(chunk)
    ]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.fixture(scope="module")
def sockets() -> Iterator[set[Row]]:
    """Sockets of all kinds that make a difference to a filter: without one they are all there."""
    with World(ip_local_port_range="30000 30999") as world:
        for host in HOSTS:
            if not host.startswith("127.") and host != "::1":
                world.add_address(host)
        both = world.listen("::", 8081)
        for number, host in enumerate(HOSTS):
            listener = world.listen(host, 8080)
            pairs(world, listener, [EXPLICIT[number]], host)
            world.pair(listener)
            leave(pairs(world, listener, [29000 + number], host))
            world.connect(host, 8081, mapped=":" not in host)
            world.accept(both)
            world.bind(host, EXPLICIT[-1 - number])
        world.bind("127.0.0.1")
        deferring = world.listen("127.0.0.1", 8082)
        deferring.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        world.connect("127.0.0.1", 8082)
        everything = rows()
        assert {row.state for row in everything} == {1, 3, 6, 7, 10}
        assert any(row.automatic for row in everything) and any(not row.automatic for row in everything)
        yield everything


def in_network(network: str) -> tuple[bytes, Passes]:
    parsed = ipaddress.ip_network(network)
    program = bytecode.remote_network(parsed.version, parsed.network_address.packed, parsed.prefixlen)
    return program, lambda row: row.remote in parsed


def of_ports(side: str, low: int, high: int) -> tuple[bytes, Passes]:
    return bytecode.port_range(side, low, high), lambda row: low <= getattr(row, f"{side}_port") <= high


def of_version(version: int) -> tuple[bytes, Passes]:
    return bytecode.ip_version(version), lambda row: row.local.version == version


CONDITIONS: dict[str, tuple[bytes, Passes]] = {
    "automatic": (bytecode.AUTOMATIC, lambda row: row.automatic),
    "ipv4": of_version(4),
    "ipv6": of_version(6),
    "explicit-ports": of_ports("local", EXPLICIT[0], EXPLICIT[-1]),
    "one-port": of_ports("local", 8080, 8080),
    "remote-ports": of_ports("remote", 8080, 8081),
    "no-remote": of_ports("remote", 0, 0),
    "all-ports": of_ports("local", 0, 65535),
    "no-ports": of_ports("local", 65535, 65535),
    **{
        network: in_network(network)
        for network in ("127.0.0.0/8", "127.0.5.5/32", "10.0.0.0/9", "0.0.0.0/0", "10.1.2.2/31", "192.0.2.0/24")
    },
    **{
        network: in_network(network)
        for network in ("::1/128", "fd00::/8", "::/0", "fd00:0:0:1::/65", "::/80", "fe80::/10")
    },
}


@pytest.mark.root
@pytest.mark.parametrize(("program", "passes"), CONDITIONS.values(), ids=CONDITIONS)
def test_one_condition_and_its_opposite(program: bytes, passes: Passes, sockets: set[Row]) -> None:
    chosen = set(filter(passes, sockets))
    assert rows(program) == chosen
    assert rows(bytecode.negate(program)) == sockets - chosen
    assert rows(bytecode.negate(bytecode.negate(program))) == chosen


def composed(dice: random.Random, depth: int) -> tuple[str, bytes, Passes]:
    """Any composition of the conditions above, with its text."""
    if depth == 0 or dice.random() < 0.2:
        name = dice.choice(list(CONDITIONS))
        return name, *CONDITIONS[name]
    name, program, passes = composed(dice, depth - 1)
    if (how := dice.choice(["not", "and", "or", "any", "all"])) == "not":
        return f"not ({name})", bytecode.negate(program), lambda row: not passes(row)
    other_name, other, other_passes = composed(dice, depth - 1)
    text = f"({name}) {how} ({other_name})"
    if how in ("and", "all"):
        both = bytecode.both(program, other) if how == "and" else bytecode.all_of([b"", program, b"", other])
        return text, both, lambda row: passes(row) and other_passes(row)
    either = bytecode.either(program, other) if how == "or" else bytecode.any_of([program, other])
    return text, either, lambda row: passes(row) or other_passes(row)


@pytest.mark.root
def test_any_composition(sockets: set[Row]) -> None:
    dice = random.Random(1)
    for _ in range(400):
        text, program, passes = composed(dice, dice.randint(1, 5))
        assert rows(program) == set(filter(passes, sockets)), text


@pytest.mark.root
def test_hundreds_of_ports_and_networks(sockets: set[Row]) -> None:
    """As --local-port, --remote-port and --remote ask for them, given once each."""
    dice = random.Random(2)
    local = (*dice.sample(range(40000, 65536), 290), 20000, 20003, 20005, 8080, 8081)
    remote_ports = (*dice.sample(range(40000, 65536), 300), 8080, 20000)
    networks = (*(f"10.{number}.0.0/16" for number in range(2, 40)), "127.0.0.0/24", "fd00::/16", "::1/128")
    chosen = SocketFilter(local_ports=local, remote_ports=remote_ports, remote=networks)
    wanted = {
        row
        for row in sockets
        if row.local_port in local
        and row.remote_port in remote_ports
        and any(row.remote in ipaddress.ip_network(network) for network in networks)
    }
    assert len(wanted) == 4
    assert rows(chosen.program()) == wanted


@pytest.mark.root
def test_the_longest_program_that_the_kernel_takes(sockets: set[Row]) -> None:
    ports = (8080, *range(40000, 43275))
    program = SocketFilter(local_ports=ports).program()
    assert bytecode.MAX_BYTES - 20 < len(program) <= bytecode.MAX_BYTES
    assert rows(program) == {row for row in sockets if row.local_port in ports}


@pytest.mark.parametrize(
    ("chosen", "size"),
    [
        (SocketFilter(local_ports=tuple(range(1, 3278))), 65536),
        (SocketFilter(local_ports=tuple(range(1, 2001)), remote_ports=tuple(range(1, 2001))), 79992),
        (SocketFilter(remote=("10.0.0.0/8",) * 3277), 65536),
    ],
    ids=["ports", "ports-on-both-sides", "networks"],
)
def test_a_program_too_long_for_the_kernel_is_named(chosen: SocketFilter, size: int) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen.program()
    assert str(caught.value) == f"too many ports and networks in one filter: {size} bytes, the kernel takes 65531"


def test_no_condition_is_no_program() -> None:
    assert bytecode.any_of([]) == bytecode.all_of([]) == bytecode.all_of([b"", b""]) == b""
