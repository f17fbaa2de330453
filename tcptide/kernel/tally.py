"""Counting sockets chunk by chunk while they are read, without keeping one of them.

A chunk holds messages of struct inet_diag_msg (include/uapi/linux/inet_diag.h), each behind a netlink header. Nearly
all messages of a chunk have one form, so a field of all of them is a slice with a stride, or one struct.iter_unpack:
that takes a third of the time of a loop over messages. Other chunks are sorted by form first, then counted likewise.

Addresses stay the kernel's 16 bytes (IPv4 in the first four) beside the family; `addresses` names the few that are
shown. An IPv4-mapped address becomes IPv4 when the counting is done: it shares the IPv4 port space.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import compress
from operator import and_, gt, not_
from struct import Struct
from typing import Any

from tcptide.kernel.addresses import AF_INET, AF_INET6, MAPPED, Address, End, is_mapped, unmapped, unmapped_key
from tcptide.kernel.messages import (
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    EXPIRES,
    FAMILY,
    INODE,
    SPORT,
    STATE,
    STATE_NUMBERS,
    TIME_WAIT_MS,
    UID,
    Form,
    by_form,
    common_form,
    readers,
    state_name,
)

#: What a local port is to us, as flags in a table of 65536 bytes.
USABLE, IN_RANGE, LISTENING, LOWEST = 1, 2, 4, 8

#: A flood comes from many addresses: beyond this many, only the busiest are kept.
_REMOTES_AT_MOST = 60_000

#: (uid, cgroup id); None where the kernel gives none.
Owner = tuple[int | None, int | None]
#: (family, state[, uid[, cgroup id]]), as far as the form of the message goes; the uid may be None.
_Owned = tuple[Any, ...]


def port_classes(ephemeral: bytes, barred: Iterable[int], listening: Iterable[int], lowest: int | None = None) -> bytes:
    """The table of what each local port is, indexed by the port as a 16-bit field of the message reads here.

    `ephemeral` has 1 at the index of each port of the range that isn't reserved (ports.ephemeral); `lowest` is the
    usable port of ports.hard_to_reach, if there is one.
    """
    table = bytearray(ephemeral.translate(_EPHEMERAL_FLAGS))
    for port in barred:
        table[port] &= ~USABLE
    for port in listening:
        table[port] |= LISTENING
    if lowest is not None:
        table[lowest] |= LOWEST
    if sys.byteorder == "big":
        return bytes(table)
    return b"".join(table[low::256] for low in range(256))


def as_in_message(port: int) -> int:
    """A port as a 16-bit field of the message reads on this machine, and the other way round."""
    return port if sys.byteorder == "big" else (port & 0xFF) << 8 | port >> 8


def _mask(flag: int) -> bytes:
    return bytes(1 if value & flag else 0 for value in range(256))


_MASKS = {flag: _mask(flag) for flag in (USABLE, IN_RANGE, LISTENING, LOWEST)}
_EPHEMERAL_FLAGS = bytes((0, USABLE | IN_RANGE)) + bytes(254)


class Tally:
    """The counts of a look. Feed it with `add`, then read the counters through the methods below them."""

    def __init__(
        self,
        classes: bytes,
        take_over_after_ms: int | None = None,
        read_info: Callable[[bytes, Form], None] | None = None,
    ) -> None:
        """`classes` is made by port_classes.

        TIME_WAIT older than `take_over_after_ms` is counted apart; None when connect() takes none over. `read_info` is
        handed the messages that have tcp_info.
        """
        self._read_info = read_info
        self._classify = classes.__getitem__
        self._young_ms = None if take_over_after_ms is None else TIME_WAIT_MS - take_over_after_ms
        self._owners: Counter[_Owned] = Counter()
        self._mapped: Counter[_Owned] = Counter()  # those of family IPv6 that are really IPv4
        self._ends: Counter[tuple[int, bytes, int, int]] = Counter()  # (family, key[, uid[, cgroup]])
        self._waiting: Counter[End] = Counter()  # TIME_WAIT, without the old ones
        self._old_waiting: Counter[End] = Counter()
        self._lowest: set[End] = set()
        self._lowest_old: set[End] = set()
        self._bind: defaultdict[Address, set[int]] = defaultdict(set)
        self._incoming: Counter[int] = Counter()
        self._remotes: Counter[Address] = Counter()
        self.not_accepted = 0  # ESTABLISHED or CLOSE_WAIT without an inode: nobody has accepted it yet
        self.lacks_cgroups = False  # this kernel puts no cgroup ids into its messages

    def add(self, chunk: memoryview | bytes) -> None:
        """Count the messages of a chunk. Raises SourceError for a message that can't be one."""
        messages = bytes(chunk)  # for its slices, which are quicker than a view's
        form = common_form(messages)
        if form is not None:
            self._count(messages, form)
        else:
            for form, part in by_form(messages):
                self._count(part, form)

    def forget_closed(self) -> None:
        """Forget the sockets that closed while connections were read; those in that state from here on are bound-idle.

        The kernel chooses a socket by its state, lets go of its lock, and only then writes the message
        (inet_diag_dump_icsk() of net/ipv4/inet_diag.c).
        """
        for counts in (self._owners, self._mapped):
            for who in [who for who in counts if who[1] == CLOSE]:
                del counts[who]

    def _count(self, chunk: bytes, form: Form) -> None:
        if form.info_at is not None and self._read_info:
            self._read_info(chunk, form)
        length = form.length
        view = memoryview(chunk)
        ports: list[int] = view.cast("H")[SPORT // 2 :: length // 2].tolist()
        classes = bytes(map(self._classify, ports))
        owner, end, local, peer = readers(form)
        owners: Iterable[_Owned] = owner.iter_unpack(chunk)
        if form.full:
            self.lacks_cgroups = self.lacks_cgroups or form.cgroup_at is None
            inodes = view.cast("I")[INODE // 4 :: length // 4].tolist()
            if 0 in inodes:
                owners = self._count_without_inode(list(owners), inodes)
        any_ipv6 = AF_INET6 in chunk[FAMILY::length]
        if any_ipv6 and MAPPED in chunk:
            owners = list(owners)
            self._mapped.update(compress(owners, (is_mapped(address) for (address,) in local.iter_unpack(chunk))))
        if isinstance(owners, list) or not self._count_one_owner(chunk, form, owner):
            self._owners.update(owners)
        usable = classes.translate(_MASKS[USABLE])
        if 1 in usable:
            if form.time_wait:
                self._count_time_wait(view, length, end, classes)
            else:
                self._ends.update(compress(end.iter_unpack(chunk), usable))
                lowest = classes.translate(_MASKS[LOWEST])
                if 1 in lowest:
                    self._lowest.update(who[:2] for who in compress(end.iter_unpack(chunk), lowest))
        in_range = classes.translate(_MASKS[IN_RANGE])
        if 1 in in_range:
            self._count_bind(view, length, ports, in_range, only_ipv4=not any_ipv6)
        listening = classes.translate(_MASKS[LISTENING])
        if 1 in listening:
            self._incoming.update(compress(ports, listening))
            self._remotes.update(compress(peer.iter_unpack(chunk), listening))
            if len(self._remotes) > _REMOTES_AT_MOST:
                self._remotes = Counter(dict(self._remotes.most_common(_REMOTES_AT_MOST // 2)))

    def _count_one_owner(self, chunk: bytes, form: Form, owner: Struct) -> bool:
        """Count the messages of a chunk at once if all are of one family and owner; says whether they were."""
        length = form.length
        messages = len(chunk) // length
        columns = [FAMILY, *range(UID, UID + 4)]
        if form.cgroup_at is not None:
            columns += range(form.cgroup_at, form.cgroup_at + 8)
        if any(chunk[column::length].count(chunk[column]) != messages for column in columns):
            return False
        family, _, *rest = owner.unpack_from(chunk)
        states = chunk[STATE::length]
        for state in set(states):
            self._owners[family, state, *rest] += states.count(state)
        return True

    def _count_time_wait(self, view: memoryview, length: int, end: Struct, classes: bytes) -> None:
        usable, lowest = classes.translate(_MASKS[USABLE]), classes.translate(_MASKS[LOWEST])
        if 1 in lowest:
            self._lowest.update(compress(end.iter_unpack(view), lowest))
        if self._young_ms is None:
            self._waiting.update(compress(end.iter_unpack(view), usable))
            return
        expires = view.cast("I")[EXPIRES // 4 :: length // 4].tolist()
        old = [ms < self._young_ms for ms in expires]
        self._waiting.update(compress(end.iter_unpack(view), map(gt, usable, old)))
        self._old_waiting.update(compress(end.iter_unpack(view), map(and_, usable, old)))
        if 1 in lowest:
            self._lowest_old.update(compress(end.iter_unpack(view), map(and_, lowest, old)))

    def _count_bind(self, view: memoryview, length: int, ports: list[int], in_range: bytes, *, only_ipv4: bool) -> None:
        if only_ipv4:
            locals_ = list(compress(view.cast("I")[24 // 4 :: length // 4].tolist(), in_range))
            if locals_.count(locals_[0]) == len(locals_):
                local = view[24:40] if in_range[0] else _first(view, length, in_range)
                self._bind[AF_INET, bytes(local)].update(compress(ports, in_range))
                return
        triples = Struct(f"={FAMILY}xB3xH2x16s{length - 40}x").iter_unpack(view)
        for family, port, local in compress(triples, in_range):
            self._bind[family, local].add(port)

    def _count_without_inode(self, owners: list[_Owned], inodes: list[int]) -> list[_Owned]:
        """Count what waits for accept(), and take root's name off sockets that no process has: those and orphans.

        Until Linux 6.16 the kernel gives them uid 0 (sock_i_uid() of net/core/sock.c).
        """
        for index in compress(range(len(inodes)), map(not_, inodes)):
            family, state, uid, *cgroup = owners[index]
            self.not_accepted += state in (ESTABLISHED, CLOSE_WAIT)
            owners[index] = (family, state, uid or None, *cgroup)
        return owners

    def states(self, passes: Callable[[Owner], bool] | None = None) -> dict[str, tuple[int, int]]:
        """State -> (IPv4, IPv6) sockets, of all or of the owners that pass; states without a socket have zeros."""
        counts = {state: [0, 0] for state in STATE_NUMBERS}
        for owners, moved in ((self._owners, 0), (self._mapped, 1)):
            for (family, state, *owner), sockets in owners.items():
                if passes is None or (owner and passes(owner_of(owner))):
                    pair = counts[state_name(state)]
                    if moved:
                        pair[0] += sockets
                        pair[1] -= sockets
                    else:
                        pair[family != AF_INET] += sockets
        return {state: (pair[0], pair[1]) for state, pair in counts.items()}

    def owners(self) -> defaultdict[Owner, Counter[str]]:
        """Owner -> sockets by state, of the sockets that have one."""
        result: defaultdict[Owner, Counter[str]] = defaultdict(Counter)
        for (_, state, *owner), sockets in self._owners.items():
            if owner:
                result[owner_of(owner)][state_name(state)] += sockets
        return result

    def taken(self) -> tuple[Counter[End], Counter[End], Counter[End], set[End], set[End]]:
        """The fields of ports.Taken: usable ports in use by destination, and four parts of them.

        A destination is (family, remote port + local address + remote address as in the message).
        """
        ports: Counter[End] = Counter()
        for (family, key, *_), sockets in self._ends.items():
            ports[unmapped_key(family, key)] += sockets
        young, old = Counter[End](), Counter[End]()
        for counted, into in ((self._waiting, young), (self._old_waiting, old)):
            for end, sockets in counted.items():
                into[unmapped_key(*end)] += sockets
        time_wait = young + old
        ports.update(time_wait)
        lowest, lowest_old = ({unmapped_key(*end) for end in ends} for ends in (self._lowest, self._lowest_old))
        return ports, time_wait, old, lowest, lowest_old

    def main_owners(self, destinations: Collection[End]) -> dict[End, Owner]:
        """Who holds most of the ports towards these destinations; none where all of them are in TIME_WAIT."""
        owners: defaultdict[End, Counter[Owner]] = defaultdict(Counter)
        for (family, key, *owner), sockets in self._ends.items():
            end = unmapped_key(family, key)
            if owner and end in destinations:
                owners[end][owner_of(owner)] += sockets
        return {end: counts.most_common(1)[0][0] for end, counts in owners.items()}

    def bind_ports(self) -> dict[Address, set[int]]:
        """Local address -> the ports of the range that some connection from there holds, as_in_message.

        There may be tens of thousands: who compares them with a few turns those round.
        """
        result: dict[Address, set[int]] = {}
        for (family, local), ports in self._bind.items():
            address = unmapped(family, local)
            result[address] = result[address] | ports if address in result else ports
        return result

    def incoming_ports(self) -> Counter[int]:
        """Local port that somebody listens on -> connections to it."""
        return Counter({as_in_message(port): sockets for port, sockets in self._incoming.items()})

    def remotes(self) -> Counter[Address]:
        """Remote address -> incoming connections from there."""
        result: Counter[Address] = Counter()
        for (family, remote), sockets in self._remotes.items():
            result[unmapped(family, remote)] += sockets
        return result


def owner_of(fields: Sequence[int | None]) -> Owner:
    """The owner from what a message gives of it: the uid, and the cgroup id where there is one."""
    return fields[0], fields[1] if len(fields) > 1 else None


def _first(view: memoryview, length: int, chosen: bytes) -> memoryview:
    start = chosen.index(1) * length
    return view[start + 24 : start + 40]
