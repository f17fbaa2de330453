"""Counting sockets chunk by chunk while they are read, without keeping one of them.

A chunk holds messages of struct inet_diag_msg (include/uapi/linux/inet_diag.h), each behind a netlink header. Nearly
all messages of a chunk have one form, so a field of all of them is a slice with a stride, or one struct.iter_unpack:
that takes a third of the time of a loop over messages. Other chunks are sorted by form first, then counted likewise.

Addresses stay the kernel's 16 bytes (IPv4 in the first four) beside the family; `addresses` names the few that are
shown. An IPv4-mapped address becomes IPv4 when the counting is done: it shares the IPv4 port space.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import compress
from struct import Struct, unpack_from
from typing import NamedTuple

from tcptide.errors import SourceError
from tcptide.kernel.addresses import AF_INET, AF_INET6, Address, End, is_mapped, unmapped, unmapped_key

#: Offsets from the start of struct nlmsghdr.
FAMILY, STATE, SPORT, EXPIRES, INODE, ATTRIBUTES = 16, 17, 20, 68, 84, 88
MESSAGE_TYPES = (18, 20)  # TCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY
INET_DIAG_SKV6ONLY, INET_DIAG_CGROUP_ID = 11, 21

#: include/net/tcp_states.h; a bound-idle socket is shown as TCP_CLOSE, 7.
STATE_NAMES = {
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
STATE_NUMBERS = {name: number for number, name in STATE_NAMES.items() if number != 12}
ESTABLISHED, TIME_WAIT, CLOSE_WAIT = 1, 6, 8
OWNERLESS = (3, TIME_WAIT, 12)  # the kernel keeps neither user nor cgroup of these
TIME_WAIT_MS = 60_000  # TCP_TIMEWAIT_LEN, include/net/tcp.h

#: What a local port is to us, as flags in a table of 65536 bytes.
USABLE, IN_RANGE, LISTENING = 1, 2, 4

#: A flood comes from many addresses: beyond this many, only the busiest are kept.
_REMOTES_AT_MOST = 60_000

#: (uid, cgroup id; None where the kernel gives none)
Owner = tuple[int, int | None]


class Entry(NamedTuple):
    """A socket of the few that are looked at one by one: listening, bound-idle or explicitly bound."""

    family: int
    state: int
    local: bytes
    local_port: int
    queue: int  # idiag_rqueue: connections that wait for accept(), for a listener
    backlog: int  # idiag_wqueue
    uid: int
    cgroup: int | None
    v6only: bool


class _Form(NamedTuple):
    """What messages have in common that are counted together."""

    length: int
    cgroup_at: int | None  # where the cgroup id is, None without
    time_wait: bool


def port_classes(ephemeral: bytes, barred: Iterable[int], listening: Iterable[int]) -> bytes:
    """The table of what each local port is, indexed by the port as a 16-bit field of the message reads here.

    `ephemeral` has 1 at the index of each port of the range that isn't reserved (ports.ephemeral).
    """
    table = bytearray(ephemeral.translate(_EPHEMERAL_FLAGS))
    for port in barred:
        table[port] &= ~USABLE
    for port in listening:
        table[port] |= LISTENING
    if sys.byteorder == "big":
        return bytes(table)
    return b"".join(table[low::256] for low in range(256))


def _swapped(port: int) -> int:
    return port if sys.byteorder == "big" else (port & 0xFF) << 8 | port >> 8


def _mask(flag: int) -> bytes:
    return bytes(1 if value & flag else 0 for value in range(256))


_MASKS = {flag: _mask(flag) for flag in (USABLE, IN_RANGE, LISTENING)}
_EPHEMERAL_FLAGS = bytes((0, USABLE | IN_RANGE)) + bytes(254)
_ONLY_IPV6 = bytes(1 if value == AF_INET6 else 0 for value in range(256))


class Tally:
    """The counts of a look. Feed it with `add`, then read the counters through the methods below them."""

    def __init__(self, classes: bytes, take_over_after_ms: int = 1000) -> None:
        """`classes` is made by port_classes; TIME_WAIT older than `take_over_after_ms` is counted apart."""
        self._classify = classes.__getitem__
        self._young_ms = TIME_WAIT_MS - take_over_after_ms
        self._owners: Counter[tuple[int, ...]] = Counter()  # (family, state, uid[, cgroup])
        self._mapped: Counter[tuple[int, ...]] = Counter()  # those of family IPv6 that are really IPv4
        self._ends: Counter[tuple[int, bytes, int, int]] = Counter()
        self._waiting: Counter[End] = Counter()
        self._old_waiting: Counter[End] = Counter()
        self._bind: defaultdict[Address, set[int]] = defaultdict(set)
        self._incoming: Counter[int] = Counter()
        self._remotes: Counter[Address] = Counter()
        self.not_accepted = 0  # ESTABLISHED or CLOSE_WAIT without an inode: nobody has accepted it yet
        self.lacks_cgroups = False  # this kernel puts no cgroup ids into its messages

    def add(self, chunk: memoryview | bytes) -> None:
        """Count the messages of a chunk. Raises SourceError for a message that can't be one."""
        form = _common_form(chunk)
        if form is not None:
            self._count(chunk, form)
        else:
            for form, messages in _by_form(chunk):
                self._count(messages, form)

    def _count(self, chunk: memoryview | bytes, form: _Form) -> None:
        length = form.length
        view = memoryview(chunk)
        shorts = view.cast("H")
        ports: list[int] = shorts[SPORT // 2 :: length // 2].tolist()
        classes = bytes(map(self._classify, ports))
        owner, end, bind, peer = _structs(form)
        self._owners.update(owner.iter_unpack(chunk))
        any_ipv6 = AF_INET6 in bytes(view[FAMILY::length])
        if any_ipv6:
            owned = zip(owner.iter_unpack(chunk), bind.iter_unpack(chunk), strict=True)
            self._mapped.update(who for who, (local,) in owned if who[0] == AF_INET6 and is_mapped(local))
        usable = classes.translate(_MASKS[USABLE])
        if 1 in usable:
            if form.time_wait:
                self._count_time_wait(view, length, end, usable)
            else:
                self._ends.update(compress(end.iter_unpack(chunk), usable))
        in_range = classes.translate(_MASKS[IN_RANGE])
        if 1 in in_range:
            self._count_bind(view, length, ports, in_range, None if any_ipv6 else bind)
        listening = classes.translate(_MASKS[LISTENING])
        if 1 in listening:
            self._incoming.update(compress(ports, listening))
            self._remotes.update(compress(peer.iter_unpack(chunk), listening))
            if len(self._remotes) > _REMOTES_AT_MOST:
                self._remotes = Counter(dict(self._remotes.most_common(_REMOTES_AT_MOST // 2)))
        if not form.time_wait:
            self._count_not_accepted(view, length)
            if form.cgroup_at is None and not self.lacks_cgroups:
                self.lacks_cgroups = view[STATE] == ESTABLISHED

    def _count_time_wait(self, view: memoryview, length: int, end: Struct, usable: bytes) -> None:
        self._waiting.update(compress(end.iter_unpack(view), usable))
        expires = view.cast("I")[EXPIRES // 4 :: length // 4].tolist()
        young = self._young_ms
        old = [use and ms < young for use, ms in zip(usable, expires, strict=True)]
        self._old_waiting.update(compress(end.iter_unpack(view), old))

    def _count_bind(
        self, view: memoryview, length: int, ports: list[int], in_range: bytes, only_ipv4: Struct | None
    ) -> None:
        if only_ipv4 is not None:
            locals_ = list(compress(view.cast("I")[24 // 4 :: length // 4].tolist(), in_range))
            if locals_.count(locals_[0]) == len(locals_):
                local = view[24:40] if in_range[0] else _first(view, length, in_range)
                self._bind[AF_INET, bytes(local)].update(compress(ports, in_range))
                return
        triples = Struct(f"={FAMILY}xB3xH2x16s{length - 40}x").iter_unpack(view)
        for family, port, local in compress(triples, in_range):
            self._bind[family, local].add(port)

    def _count_not_accepted(self, view: memoryview, length: int) -> None:
        inodes = view.cast("I")[INODE // 4 :: length // 4].tolist()
        if 0 in inodes:
            states = bytes(view[STATE::length])
            self.not_accepted += sum(
                not inode and state in (ESTABLISHED, CLOSE_WAIT) for inode, state in zip(inodes, states, strict=True)
            )

    def states(self, passes: Callable[[Owner], bool] | None = None) -> dict[str, tuple[int, int]]:
        """State -> (IPv4, IPv6) sockets, of all or of the owners that pass; states without a socket have zeros."""
        counts = {state: [0, 0] for state in STATE_NUMBERS}
        for owners, moved in ((self._owners, 0), (self._mapped, 1)):
            for (family, state, uid, *cgroup), sockets in owners.items():
                if passes is None or (state not in OWNERLESS and passes((uid, cgroup[0] if cgroup else None))):
                    pair = counts[_state_name(state)]
                    if moved:
                        pair[0] += sockets
                        pair[1] -= sockets
                    else:
                        pair[family != AF_INET] += sockets
        return {state: (pair[0], pair[1]) for state, pair in counts.items()}

    def owners(self) -> Mapping[Owner, Mapping[str, int]]:
        """Owner -> sockets by state, of the sockets that have one."""
        result: defaultdict[Owner, Counter[str]] = defaultdict(Counter)
        for (_, state, uid, *cgroup), sockets in self._owners.items():
            if state not in OWNERLESS:
                result[uid, cgroup[0] if cgroup else None][_state_name(state)] += sockets
        return result

    def ends(self) -> tuple[Counter[End], Counter[End], dict[End, Owner]]:
        """Usable ports by destination: those in use, those of them in old TIME_WAIT, and who holds most.

        A destination is (family, remote port + local address + remote address as in the message).
        """
        used: Counter[End] = Counter()
        most: dict[End, tuple[int, Owner]] = {}
        for (family, key, uid, *cgroup), ports in self._ends.items():
            end = unmapped_key(family, key)
            used[end] += ports
            if ports > most.get(end, (0,))[0]:
                most[end] = ports, (uid, cgroup[0] if cgroup else None)
        old: Counter[End] = Counter()
        for source, target in ((self._waiting, used), (self._old_waiting, old)):
            for (family, key, *_), ports in source.items():
                target[unmapped_key(family, key)] += ports
        return used, old, {end: owner for end, (_, owner) in most.items()}

    def bind_ports(self) -> dict[Address, set[int]]:
        """(family, local address) -> the ports of the range that some connection from there holds."""
        result: defaultdict[Address, set[int]] = defaultdict(set)
        for (family, local), ports in self._bind.items():
            result[unmapped(family, local)].update(map(_swapped, ports))
        return result

    def incoming_ports(self) -> Counter[int]:
        """Local port that somebody listens on -> connections to it."""
        return Counter({_swapped(port): sockets for port, sockets in self._incoming.items()})

    def remotes(self) -> Counter[Address]:
        """Remote address -> incoming connections from there."""
        result: Counter[Address] = Counter()
        for (family, remote), sockets in self._remotes.items():
            result[unmapped(family, remote)] += sockets
        return result


def entries(chunk: memoryview | bytes) -> Iterable[Entry]:
    """The messages of a chunk, one by one. Raises SourceError for a message that can't be one."""
    for at, length in _messages(chunk):
        family, state, local_port_bytes, local = unpack_from("=BB2x2s2x16s", chunk, at + FAMILY)
        queue, backlog, uid = unpack_from("=III", chunk, at + 72)
        attributes = dict(_attributes(chunk, at, length))
        cgroup_at, v6only_at = attributes.get(INET_DIAG_CGROUP_ID), attributes.get(INET_DIAG_SKV6ONLY)
        yield Entry(
            family,
            state,
            local,
            int.from_bytes(local_port_bytes, "big"),
            queue,
            backlog,
            uid,
            unpack_from("=Q", chunk, at + cgroup_at)[0] if cgroup_at else None,
            bool(v6only_at and chunk[at + v6only_at]),
        )


def _messages(chunk: memoryview | bytes) -> Iterable[tuple[int, int]]:
    at, size = 0, len(chunk)
    while at < size:
        if size - at < ATTRIBUTES:
            raise SourceError(f"sock_diag: {size - at} bytes left over at byte {at} of a chunk of {size}")
        length, kind = unpack_from("=IH", chunk, at)
        if not ATTRIBUTES <= length <= size - at or kind not in MESSAGE_TYPES:
            raise SourceError(f"sock_diag: odd message at byte {at} of {size}: type {kind}, length {length}")
        yield at, length
        at += length + 3 & ~3


def _attributes(chunk: memoryview | bytes, start: int, length: int) -> Iterable[tuple[int, int]]:
    at, end = start + ATTRIBUTES, start + length
    while at + 4 <= end:
        size, kind = unpack_from("=HH", chunk, at)
        if size < 4 or at + size > end:
            raise SourceError(f"sock_diag: odd attribute at byte {at - start} of a message: type {kind}, length {size}")
        yield kind, at + 4 - start
        at += size + 3 & ~3


def _form(chunk: memoryview | bytes, at: int, length: int) -> _Form:
    cgroup_at = next((where for kind, where in _attributes(chunk, at, length) if kind == INET_DIAG_CGROUP_ID), None)
    return _Form(length, cgroup_at, chunk[at + STATE] == TIME_WAIT)


def _common_form(chunk: memoryview | bytes) -> _Form | None:
    """The form of all messages of a chunk, or None when they differ: proved by the columns that make the form."""
    at, length = next(iter(_messages(chunk)))
    messages, rest = divmod(len(chunk), length)
    if rest or length % 4:
        return None
    form = _form(chunk, at, length)
    words = memoryview(chunk).cast("I")
    step = length // 4
    fixed = [0, 1] if form.cgroup_at is None else [0, 1, form.cgroup_at // 4 - 1]
    for word in fixed:  # the length, the type and flags, the head of the cgroup attribute
        if words[word::step].tolist().count(words[word]) != messages:
            return None
    time_waits = bytes(memoryview(chunk)[STATE::length]).count(TIME_WAIT)
    return form if time_waits == (messages if form.time_wait else 0) else None


def _by_form(chunk: memoryview | bytes) -> Iterable[tuple[_Form, bytes]]:
    parts: defaultdict[_Form, list[bytes]] = defaultdict(list)
    for at, length in _messages(chunk):
        padded = length + 3 & ~3
        form = _form(chunk, at, length)._replace(length=padded)
        parts[form].append(bytes(chunk[at : at + padded]).ljust(padded, b"\0"))
    for form, messages in parts.items():
        yield form, b"".join(messages)


@cache
def _structs(form: _Form) -> tuple[Struct, Struct, Struct, Struct]:
    """How to read, of every message of a form: its owner, its far end, its local address, its peer."""
    length, cgroup_at, time_wait = form
    tail = f"{length - 84}x" if cgroup_at is None else f"{cgroup_at - 84}xQ{length - cgroup_at - 8}x"
    owner = Struct(f"={FAMILY}xBB62xI{tail}")
    end = Struct(f"={FAMILY}xB5x34s{length - 56}x" if time_wait else f"={FAMILY}xB5x34s24xI{tail}")
    return owner, end, Struct(f"=24x16s{length - 40}x"), Struct(f"={FAMILY}xB23x16s{length - 56}x")


def _first(view: memoryview, length: int, chosen: bytes) -> memoryview:
    start = chosen.index(1) * length
    return view[start + 24 : start + 40]


def _state_name(state: int) -> str:
    try:
        return STATE_NAMES[state]
    except KeyError:
        raise SourceError(f"sock_diag: unknown socket state {state}") from None
