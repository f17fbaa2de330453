"""When connect() and bind() run out of ephemeral ports: the arithmetic, pure.

connect() walks the ephemeral range and skips a port that is reserved, that bind() or listen() made a bucket for
(whatever the address or family), or that this 4-tuple already has; so exhaustion is per destination: (local address,
remote address, remote port). Source: __inet_hash_connect() of net/ipv4/inet_hashtables.c and inet_csk_find_open_port()
of net/ipv4/inet_connection_sock.c.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

from tcptide.model import Limits

Key = TypeVar("Key", bound=Hashable)

#: tcp_tw_reuse_delay where the sysctl is missing: the constant of kernels before 6.14.
TAKE_OVER_AFTER_MS = 1000


class Use(NamedTuple, Generic[Key]):
    """The ports in use towards one destination."""

    key: Key
    ports_used: int  # connect() can't use them
    reusable: int  # in TIME_WAIT, and connect() may take them over
    utilisation_percent: float  # 100 exactly when connect() fails


def ephemeral(limits: Limits) -> bytes:
    """The ports that the kernel may choose from, as a table: 1 at the index of a port that it may."""
    low, high = limits.port_range
    table = bytearray(65536)
    table[low : high + 1] = b"\1" * (high + 1 - low)
    for first, last in limits.reserved_ports:
        table[first : last + 1] = bytes(last + 1 - first)
    return bytes(table)


def capacity(port_range: tuple[int, int], usable: int) -> int:
    """How many ports connect() can use towards one destination, of `usable` ones that are neither reserved nor barred.

    connect() makes the number of ports that it tries even, so one port of an odd-sized range is out of its reach.
    """
    size = port_range[1] - port_range[0] + 1
    return max(0, usable - (1 if size % 2 and size > 1 else 0))


def may_take_over(limits: Limits, loopback: bool) -> bool:
    """Whether connect() may take over a port in TIME_WAIT once it is old enough.

    tcp_twsk_unique() of net/ipv4/tcp_ipv4.c: tcp_tw_reuse 2 means for loopback only; timestamps are needed.
    """
    if not limits.tcp_timestamps:
        return False
    return limits.tcp_tw_reuse == 1 or (limits.tcp_tw_reuse == 2 and loopback)


def connect_percent(used: int, capacity: int) -> float:
    """How full a destination is; 100 exactly when connect() fails."""
    return min(100.0, 100.0 * used / capacity) if capacity else 100.0


def bind_percent(held: Collection[int], ephemeral_ports: int) -> float:
    """How full the range is for bind((address, 0)), whose ports `held` are taken; 100 exactly when bind() fails."""
    return 100.0 * len(held) / ephemeral_ports if ephemeral_ports else 100.0


def by_destination(
    limits: Limits,
    capacity: int,
    used: Mapping[Key, int],
    old_time_wait: Mapping[Key, int],
    touches_loopback: Callable[[Key], bool],
    at_most: int,
) -> list[Use[Key]]:
    """The fullest destinations first.

    `used` counts usable ports in use, TIME_WAIT among them; `old_time_wait` the part of them that is in TIME_WAIT for
    longer than tcp_tw_reuse_delay.
    """
    uses = []
    for key, ports in used.items():
        old = old_time_wait.get(key, 0)
        reusable = old if old and may_take_over(limits, touches_loopback(key)) else 0
        uses.append((ports - reusable, reusable, key))
    if len(uses) > at_most:
        from heapq import nlargest

        uses = nlargest(at_most, uses, key=lambda use: use[:2])
    else:
        uses.sort(key=lambda use: use[:2], reverse=True)
    return [Use(key, ports, reusable, connect_percent(ports, capacity)) for ports, reusable, key in uses]
