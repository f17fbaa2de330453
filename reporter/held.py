"""Who held what over the period, from the top lists that are stored with each sample.

A stored list is five deep: what was not among the five biggest of its kind counts as none in a mean, which is a little
too low for it. A mean is over rows at equal distances; the highest are sought in the fullest rows too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np

from tcptide.codec import Top
from tcptide.model import Destination, Holder, Listener, Point
from tcptide.text import endpoint

from .frames import Blocks

MEAN_ROWS = 500  # at least so many rows, evenly spread, if there are as many
PEAK_ROWS = 168  # stretches of the period, of each of which the fullest rows are taken too
PEAKS = ("total", "worst_destination", "worst_listener")

#: What a row says of each entry of a list: name, number, and how to say what else is worth it.
Entries = Iterable[tuple[str, float, Callable[[], str]]]


@dataclass(frozen=True)
class Row:
    """The top lists of one stored row, as privacy lets them be shown."""

    wall_seconds: float
    even: bool  # one of the rows at equal distances, which means are taken of
    top: Top


@dataclass
class Held:
    """What one name held."""

    name: str
    say: Callable[[], str]  # of its highest
    highest: float
    when: float  # wall clock seconds
    total: float = 0.0  # over the even rows

    @property
    def note(self) -> str:
        """What there is to be said of its highest."""
        return self.say()


def chosen(points: Sequence[Point]) -> dict[int, bool]:
    """Which rows to read the lists of, by id: True for those at equal distances, False for the fullest ones besides."""
    stored = [point for point in points if point.id is not None]
    ids = {point.id: True for point in stored[:: max(1, len(stored) // MEAN_ROWS)] if point.id is not None}
    each = max(1, -(-len(stored) // PEAK_ROWS))
    for begin in range(0, len(stored), each):
        part = stored[begin : begin + each]
        for name in PEAKS:
            fullest = max(part, key=lambda point: point.values[name] or 0.0)
            if fullest.id is not None and fullest.values[name]:
                ids.setdefault(fullest.id, False)
    return ids


def destinations(top: Top) -> Entries:
    """Percent of the ports towards each."""
    for one in top.destinations:
        if one.ports_used:
            yield destination_name(one), one.utilisation_percent, partial(_destination_note, one)


def destination_name(one: Destination) -> str:
    """As tables and pictures call it."""
    return endpoint(one.remote, one.remote_port)


def _destination_note(one: Destination) -> str:
    return f"{one.ports_used:,} ports from {one.local}" + (f", {one.holder}" if one.holder else "")


def listeners(top: Top) -> Entries:
    """Percent of each accept queue."""
    for one in top.listeners:
        yield listener_name(one), one.utilisation_percent, partial(_listener_note, one)


def _listener_note(one: Listener) -> str:
    return f"{one.queue:,} of {one.backlog:,}, {one.holder}"


def listener_name(one: Listener) -> str:
    """As tables call it."""
    return endpoint(one.address, one.port)


def local_ports(top: Top) -> Entries:
    """Incoming connections by local port."""
    return ((str(port), number, str) for port, number in top.local_ports)


def remotes(top: Top) -> Entries:
    """Incoming connections by remote address."""
    return ((address, number, str) for address, number in top.remotes)


def holders(kind: str) -> Callable[[Top], Entries]:
    """Sockets by unit, user or process."""

    def entries(top: Top) -> Entries:
        return (
            (one.name, sum(one.states.values()), partial(_held_states, one)) for one in top.holders if one.kind == kind
        )

    return entries


def _held_states(one: Holder) -> str:
    held = sorted((-number, state) for state, number in one.states.items() if number)
    return ", ".join(f"{-number:,} {state}" for number, state in held[:3])


def over(rows: Sequence[Row], entries: Callable[[Top], Entries]) -> list[tuple[Held, float]]:
    """What each name held and its mean, the highest first."""
    found: dict[str, Held] = {}
    even = 0
    for row in rows:
        even += row.even
        for name, (number, say) in _of_row(entries(row.top)).items():
            one = found.get(name)
            if one is None:
                one = found[name] = Held(name, say, number, row.wall_seconds)
            elif number > one.highest:
                one.highest, one.say, one.when = number, say, row.wall_seconds
            if row.even:
                one.total += number
    return sorted(((one, one.total / max(1, even)) for one in found.values()), key=lambda each: -each[0].highest)


def _of_row(entries: Entries) -> Mapping[str, tuple[float, Callable[[], str]]]:
    """By name: what is masked may have one more than once, and the fullest counts."""
    best: dict[str, tuple[float, Callable[[], str]]] = {}
    for name, number, say in entries:
        if name not in best or number > best[name][0]:
            best[name] = (number, say)
    return best


def by_block(
    rows: Sequence[Row], entries: Callable[[Top], Entries], blocks: Blocks
) -> Iterator[tuple[str, np.ndarray]]:
    """The highest of each name in each block that has rows, the highest name first."""
    count = len(blocks.edges) - 1
    at = np.clip(np.searchsorted(blocks.edges, [row.wall_seconds for row in rows], side="right") - 1, 0, count - 1)
    read = np.zeros(count, dtype=bool)
    read[at] = True
    seen = np.isfinite(blocks.mean["total"].to_numpy())
    table: dict[str, dict[int, float]] = {}
    for block, row in zip(at.tolist(), rows, strict=True):
        for name, (number, _) in _of_row(entries(row.top)).items():
            highest = table.setdefault(name, {})
            highest[block] = max(number, highest.get(block, 0.0))
    found = []
    for name, highest in table.items():
        values = np.where(read & seen, 0.0, np.nan)
        values[list(highest)] = list(highest.values())
        found.append((name, _held(values, seen), max(highest.values())))
    yield from ((name, values) for name, values, _ in sorted(found, key=lambda each: -each[2]))


def _held(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A block without a row of its own is as the one before it, but not across a gap."""
    last, filled = nan, []
    for value, was_seen in zip(values.tolist(), seen.tolist(), strict=True):
        last = value if value == value else last if was_seen else nan
        filled.append(last)
    return np.array(filled)
