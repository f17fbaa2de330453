"""The recorded answers of sock_diag, in tests/fixtures/sock_diag, and an obvious reader of them."""

import ipaddress
import os
import socket
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from struct import unpack_from
from typing import NamedTuple

from tcptide.kernel import addresses, netlink
from tcptide.kernel.tally import Owner, Tally, as_in_message, port_classes

INFO, SHUTDOWN, CGROUP_ID = 2, 8, 21
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "sock_diag")


def recorded(name: str) -> list[bytes]:
    """What recv() gave, end marker included."""
    with open(os.path.join(HERE, name + ".hex")) as file:
        return [bytes.fromhex(line) for line in file]


def chunks(name: str) -> list[bytes]:
    """The same as it gets counted: whole messages, without the end marker."""
    ends = [(chunk, netlink.scan(chunk, len(chunk))[0]) for chunk in recorded(name)]
    return [chunk[:end] for chunk, end in ends if end]


def split(chunk: bytes) -> Iterator[bytes]:
    """The messages one by one, with their padding."""
    at = 0
    while at < len(chunk):
        (length,) = unpack_from("=I", chunk, at)
        end = at + (length + 3 & ~3)
        yield chunk[at:end]
        at = end


NAMES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "BOUND",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN_RECV",
}

End = tuple[str, str, int]  # local address, remote address, remote port


class Ground(NamedTuple):
    """What decides what a port is."""

    port_range: tuple[int, int] = (20000, 20099)
    barred: frozenset[int] = frozenset()
    listening: frozenset[int] = frozenset({8080, 8081})
    lowest: int | None = None
    take_over_after_ms: int | None = 20

    def tally(self, parts: Iterable[bytes]) -> Tally:
        low, high = self.port_range
        ephemeral = bytes(low <= port <= high for port in range(65536))
        made = Tally(port_classes(ephemeral, self.barred, self.listening, self.lowest), self.take_over_after_ms)
        for part in parts:
            made.add(part)
        return made


class Counts(NamedTuple):
    """All that is counted, under addresses as people write them."""

    states: dict[str, tuple[int, int]]  # those with sockets
    owners: dict[Owner, Counter[str]]
    ports: Counter[End]
    old: Counter[End]
    lowest: set[End]
    lowest_old: set[End]
    bind: dict[str, set[int]]
    incoming: Counter[int]
    remotes: Counter[str]
    not_accepted: int = 0
    lacks_cgroups: bool = False


def counts(base: Counts | None = None, **expected: object) -> Counts:
    """What is expected, with the parts that are empty, or as in `base`, left out."""
    empty = Counts({}, {}, Counter(), Counter(), set(), set(), {}, Counter(), Counter())
    return (base or empty)._replace(**expected)  # type: ignore[arg-type]


def said(tally: Tally) -> Counts:
    ports, _, old, lowest, lowest_old = tally.taken()
    return Counts(
        {state: pair for state, pair in tally.states().items() if pair != (0, 0)},
        tally.owners(),
        Counter({addresses.split(end): count for end, count in ports.items()}),
        Counter({addresses.split(end): count for end, count in old.items()}),
        set(map(addresses.split, lowest)),
        set(map(addresses.split, lowest_old)),
        {addresses.text(*address): set(map(as_in_message, held)) for address, held in tally.bind_ports().items()},
        tally.incoming_ports(),
        Counter({addresses.text(*address): count for address, count in tally.remotes().items()}),
        tally.not_accepted,
        tally.lacks_cgroups,
    )


def obvious(parts: Iterable[bytes], ground: Ground) -> Counts:
    """The same, counted by reading each message for itself."""
    states: Counter[tuple[str, int]] = Counter()
    owners: defaultdict[Owner, Counter[str]] = defaultdict(Counter)
    bind: defaultdict[str, set[int]] = defaultdict(set)
    result = counts(owners=owners, bind=bind)
    for message in (message for part in parts for message in split(part)):
        state = NAMES[message[17]]
        port, remote_port = unpack_from(">HH", message, 20)
        local, remote = (address(message[16], message[at : at + 16]) for at in (24, 40))
        expires, uid, inode = (unpack_from("=I", message, at)[0] for at in (68, 80, 84))
        attributes = dict(attributes_of(message))
        states[state, local.version] += 1
        if SHUTDOWN in attributes:
            cgroup = int.from_bytes(attributes[CGROUP_ID], sys.byteorder) if CGROUP_ID in attributes else None
            owners[None if uid == inode == 0 else uid, cgroup][state] += 1
            waiting = inode == 0 and state in ("ESTABLISHED", "CLOSE_WAIT")
            result = result._replace(
                not_accepted=result.not_accepted + waiting, lacks_cgroups=result.lacks_cgroups or cgroup is None
            )
        end = (str(local), str(remote), remote_port)
        after = ground.take_over_after_ms
        old = state == "TIME_WAIT" and after is not None and 60_000 - expires > after
        if ground.port_range[0] <= port <= ground.port_range[1]:
            bind[str(local)].add(port)
            if port not in ground.barred:
                result.ports[end] += 1
                result.old.update([end] if old else [])
                if port == ground.lowest:
                    result.lowest.add(end)
                    result.lowest_old.update([end] if old else [])
        if port in ground.listening:
            result.incoming[port] += 1
            result.remotes[str(remote)] += 1
    return result._replace(states={state: (states[state, 4], states[state, 6]) for state, _ in states})


def address(family: int, packed: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(packed[:4])
    return ipaddress.IPv6Address(packed).ipv4_mapped or ipaddress.IPv6Address(packed)


def attributes_of(message: bytes) -> Iterator[tuple[int, bytes]]:
    at, (length,) = 88, unpack_from("=I", message)
    while at + 4 <= length:
        size, kind = unpack_from("=HH", message, at)
        yield kind, message[at + 4 : at + size]
        at += size + 3 & ~3
