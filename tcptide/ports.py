"""When connect() and bind() run out of ephemeral ports: the arithmetic, pure.

connect() walks the ephemeral range and skips a port that is reserved, that bind() or listen() made a bucket for
(whatever the address or family), or that this 4-tuple already has; so exhaustion is per destination: (local address,
remote address, remote port). Source: __inet_hash_connect() of net/ipv4/inet_hashtables.c and inet_csk_find_open_port()
of net/ipv4/inet_connection_sock.c.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from tcptide.model import Limits
from tcptide.record import NamedTuple

Key = TypeVar("Key", bound=Hashable)

#: tcp_tw_reuse_delay where the sysctl is missing: the constant of kernels before 6.14.
_TAKE_OVER_AFTER_MS = 1000


class Taken(NamedTuple, Generic[Key]):
    """Usable ports that are in use, by destination; the sets matter for an odd-sized range only."""

    ports: Mapping[Key, int]  # TIME_WAIT included
    time_wait: Mapping[Key, int]  # the part that is in TIME_WAIT
    old_time_wait: Mapping[Key, int]  # the part of that which has been so for longer than tcp_tw_reuse_delay
    lowest: Collection[Key]  # destinations towards which the hard-to-reach port is in use
    lowest_old_time_wait: Collection[Key]  # those of them for which it is in such a TIME_WAIT


class Use(NamedTuple, Generic[Key]):
    """The ports in use towards one destination."""

    key: Key
    ports_used: int  # connect() can't use them
    reusable: int  # in TIME_WAIT, and connect() may take them over
    utilisation_percent: float  # 100 exactly when connect() fails
    time_wait: int = 0  # how many of ports_used and reusable are in TIME_WAIT


def ephemeral(limits: Limits) -> bytes:
    """The ports that the kernel may choose from, as a table: 1 at the index of a port that it may."""
    low, high = limits.port_range
    table = bytearray(65536)
    table[low : high + 1] = b"\1" * (high + 1 - low)
    for first, last in limits.reserved_ports:
        table[first : last + 1] = bytes(last + 1 - first)
    return bytes(table)


def hard_to_reach(limits: Limits, ephemeral_ports: bytes) -> int | None:
    """The port that connect() and bind() don't find when it is the last one free; None for an even-sized range.

    Both make the number of ports that they try even (`remaining &= ~1U`) and wrap around, so in a range of odd size
    they leave out the lowest port, unless the random start of their walk happens to be that port: then it is the
    highest, and with three ports always. None as well when that port is reserved: then nothing is lost.
    """
    low, high = limits.port_range
    if high == low or (high - low) % 2:
        return None
    port = low if high - low > 2 else high
    return port if ephemeral_ports[port] else None


def take_over_after_ms(limits: Limits) -> int | None:
    """How long a port must be in TIME_WAIT before connect() may take it over; None when it may not.

    tcp_twsk_unique() of net/ipv4/tcp_ipv4.c: tcp_tw_reuse must allow it, and timestamps are needed.
    """
    if not limits.tcp_timestamps or not limits.tcp_tw_reuse:
        return None
    delay = limits.tcp_tw_reuse_delay_ms
    return _TAKE_OVER_AFTER_MS if delay is None else delay


def percent(taken: int, capacity: int) -> float:
    """How full; 100 when there is nothing to be had."""
    return min(100.0, 100.0 * taken / capacity) if capacity > 0 else 100.0


def bind_percent(held: Collection[int], ephemeral_ports: bytes, hard_to_reach: int | None) -> float:
    """How full the range is for bind((address, 0)) where the ports `held` are taken; 100 exactly when it fails."""
    out_of_reach = hard_to_reach is not None and hard_to_reach not in held
    return percent(len(held), ephemeral_ports.count(1) - out_of_reach)


def by_destination(
    limits: Limits, capacity: int, taken: Taken[Key], touches_loopback: Callable[[Key], bool], at_most: int
) -> list[Use[Key]]:
    """The fullest destinations first.

    `capacity` is the number of ports that connect() can use towards a destination that none is in use for yet.
    tcp_tw_reuse 2 lets it take over TIME_WAIT only where `touches_loopback`; with 0 none is to be given as old.
    """

    def each() -> Iterator[tuple[int, bool, int, Key]]:
        for key, ports in taken.ports.items():
            old = taken.old_time_wait.get(key, 0)
            reusable = old if old and (limits.tcp_tw_reuse == 1 or touches_loopback(key)) else 0
            extra = _lowest_in_use(taken, key, reusable) if taken.lowest else False
            yield ports - reusable - extra, extra, reusable, key

    if len(taken.ports) > at_most:
        from heapq import nlargest

        uses = nlargest(at_most, each(), key=lambda use: use[:3])
    else:
        uses = sorted(each(), key=lambda use: use[:3], reverse=True)
    return [
        Use(key, ports + extra, reusable, percent(ports + extra, capacity + extra), taken.time_wait.get(key, 0))
        for ports, extra, reusable, key in uses
    ]


def _lowest_in_use(taken: Taken[Key], key: Key, reusable: int) -> bool:
    """Whether the hard-to-reach port is used towards this destination, so that it has one more than a fresh one."""
    return key in taken.lowest and not (reusable and key in taken.lowest_old_time_wait)
