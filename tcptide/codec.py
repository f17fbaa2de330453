"""Sample and top lists as JSON, as the state keeps them.

NamedTuples become lists, so a sample is only read back by a program whose types have the very same fields: the text
begins with a checksum of their names.
"""

import json
import zlib
from typing import Any

from tcptide.errors import StoreError
from tcptide.model import (
    STATES,
    Destination,
    Holder,
    Limits,
    Lingering,
    Listener,
    Origin,
    Ports,
    Sample,
    TcpInfo,
)
from tcptide.record import NamedTuple

_TYPES = (Sample, Origin, Limits, Ports, Destination, Listener, Holder, Lingering, TcpInfo)
_SHAPE = zlib.crc32(";".join(",".join(kind._fields) for kind in _TYPES).encode())

#: How many entries of each list (of each kind of holder) go into the history.
TOP = 5


class Top(NamedTuple):
    """The heads of a sample's lists, as each history row keeps them, five deep."""

    destinations: tuple[Destination, ...]
    bind: tuple[tuple[str, float], ...]
    listeners: tuple[Listener, ...]  # only with connections in the accept queue
    local_ports: tuple[tuple[int, int], ...]
    remotes: tuple[tuple[str, int], ...]
    holders: tuple[Holder, ...]  # five of each kind
    lingering: tuple[Lingering, ...]


def sample_to_json(sample: Sample) -> str:
    """The whole sample as one line."""
    holders = tuple(holder._replace(states=dict(holder.states)) for holder in sample.holders)
    plain = sample._replace(states=dict(sample.states), counters=dict(sample.counters), holders=holders)
    return _dump([_SHAPE, plain])


def sample_from_json(text: str) -> Sample:
    """The sample of sample_to_json. Raises StoreError if it was written by a program whose Sample is another."""
    try:
        shape, fields = json.loads(text)
        if shape != _SHAPE:
            raise StoreError("a stored sample is of another version")
        raw = Sample(*fields)
        origin, limits = Origin(*raw.origin), Limits(*raw.limits)
        return raw._replace(
            origin=origin._replace(unseen=tuple(origin.unseen)),
            states={state: (v4, v6) for state, (v4, v6) in raw.states.items()},
            counters=dict(raw.counters),
            limits=limits._replace(
                port_range=_pair(limits.port_range),
                reserved_ports=_pairs(limits.reserved_ports),
                tcp_mem_pages=limits.tcp_mem_pages and _triple(limits.tcp_mem_pages),
            ),
            ports=raw.ports and _ports(*raw.ports),
            listeners=tuple(Listener(*entry) for entry in raw.listeners),
            local_ports=_pairs(raw.local_ports),
            remotes=_pairs(raw.remotes),
            holders=tuple(Holder(*entry) for entry in raw.holders),
            lingering=tuple(map(_lingering, raw.lingering)),
            tcp_info=raw.tcp_info and _tcp_info(*raw.tcp_info),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"a stored sample is malformed: {error}") from None


def top_to_json(sample: Sample) -> str:
    """The heads of the sample's lists, as short as they go: about half of a history row is this text.

    Listeners whose accept queue is empty are left out. Holders stand by kind, each as its name and the numbers of its
    states in the order of STATES, without the zeros at the end.
    """
    ports = sample.ports
    holders: dict[str, list[list[str | int]]] = {}
    for holder in sample.holders:
        heads = holders.setdefault(holder.kind, [])
        if len(heads) < TOP:
            numbers = [holder.states.get(state, 0) for state in STATES]
            while numbers and not numbers[-1]:
                numbers.pop()
            heads.append([holder.name, *numbers])
    return _dump(
        [
            [_rounded(entry) for entry in ports.worst[:TOP]] if ports else [],
            [_rounded(entry) for entry in ports.bind[:TOP]] if ports and ports.bind else [],
            [_rounded(entry) for entry in sample.listeners[:TOP] if entry.queue],
            sample.local_ports[:TOP],
            sample.remotes[:TOP],
            holders,
            [_rounded(entry) for entry in sample.lingering[:TOP]],
        ]
    )


def top_from_json(text: str) -> Top:
    """The lists of top_to_json. Raises StoreError if the text is none of its.

    History outlives an upgrade: an entry that was written when its type had fewer fields has None, or the default, in
    the new ones, which stand at the end.
    """
    try:
        destinations, bind, listeners, local_ports, remotes, holders, lingering = json.loads(text)
        return Top(
            tuple(Destination(*_padded(entry, Destination)) for entry in destinations),
            _pairs(bind),
            tuple(Listener(*_padded(entry, Listener)) for entry in listeners),
            _pairs(local_ports),
            _pairs(remotes),
            tuple(
                Holder(kind, name, {state: number for state, number in zip(STATES, numbers, strict=False) if number})
                for kind, heads in holders.items()
                for name, *numbers in heads
            ),
            tuple(map(_lingering, lingering)),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"a stored top list is malformed: {error}") from None


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))  # ASCII: a unit's name may hold bytes that are no UTF-8


def _pair(entry: Any) -> tuple[Any, Any]:
    first, second = entry
    return first, second


def _triple(entry: Any) -> tuple[Any, Any, Any]:
    first, second, third = entry
    return first, second, third


def _pairs(entries: Any) -> tuple[tuple[Any, Any], ...]:
    return tuple(map(_pair, entries))


def _ports(size: int, capacity: int, barred: int, worst: Any, bind: Any) -> Ports:
    return Ports(
        size, capacity, barred, tuple(Destination(*entry) for entry in worst), None if bind is None else _pairs(bind)
    )


def _lingering(entry: Any) -> Lingering:
    one = Lingering(*_padded(entry, Lingering))
    return one._replace(ages_seconds=tuple(one.ages_seconds))


def _tcp_info(connections: int, rtt_ms: Any, *rest: Any) -> TcpInfo:
    return TcpInfo(connections, rtt_ms and _triple(rtt_ms), *rest)


def _padded(entry: Any, kind: Any) -> list[Any]:
    return [*entry, *(kind._field_defaults.get(name) for name in kind._fields[len(entry) :])]


def _rounded(entry: tuple[Any, ...]) -> list[Any]:
    return [round(value, 1) if isinstance(value, float) else value for value in entry]
