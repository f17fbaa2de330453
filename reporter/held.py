"""Who held what over the period, from the top lists that are stored with each sample.

A stored list is five deep: what was not among the five biggest of its kind counts as none in a mean, which is a little
too low for it. A mean is over rows at equal distances; the highest are sought in the fullest rows too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tcptide.codec import Top
from tcptide.model import Destination, Holder, Listener, Point
from tcptide.text import endpoint

from .frames import Blocks

MEAN_ROWS = 1000  # at least so many rows, evenly spread, if there are as many
PEAK_ROWS = 200  # stretches of the period, of each of which the fullest rows are taken too
PEAKS = ("total", "worst_destination", "worst_listener")

#: Lists by name: what a row says of each entry. Name, number, and what else is worth saying.
Entries = Iterable[tuple[str, float, str]]


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
    note: str  # at its highest
    highest: float
    when: float  # wall clock seconds
    total: float = 0.0  # over the even rows
    walls: list[float] = field(default_factory=list)


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
            yield destination_name(one), one.utilisation_percent, _destination_note(one)


def destination_name(one: Destination) -> str:
    """As tables and pictures call it."""
    return endpoint(one.remote, one.remote_port)


def _destination_note(one: Destination) -> str:
    return f"{one.ports_used:,} ports from {one.local}" + (f", {one.holder}" if one.holder else "")


def listeners(top: Top) -> Entries:
    """Percent of each accept queue."""
    for one in top.listeners:
        yield listener_name(one), one.utilisation_percent, f"{one.queue:,} of {one.backlog:,}, {one.holder}"


def listener_name(one: Listener) -> str:
    """As tables call it."""
    return endpoint(one.address, one.port)


def local_ports(top: Top) -> Entries:
    """Incoming connections by local port."""
    return ((str(port), number, "") for port, number in top.local_ports)


def remotes(top: Top) -> Entries:
    """Incoming connections by remote address."""
    return ((address, number, "") for address, number in top.remotes)


def holders(kind: str) -> Callable[[Top], Entries]:
    """Sockets by unit, user or process."""

    def entries(top: Top) -> Entries:
        return (_holder(one) for one in top.holders if one.kind == kind)

    return entries


def _holder(one: Holder) -> tuple[str, float, str]:
    held = sorted((-number, state) for state, number in one.states.items() if number)
    return one.name, sum(one.states.values()), ", ".join(f"{-number:,} {state}" for number, state in held[:3])


def over(rows: Sequence[Row], entries: Callable[[Top], Entries]) -> list[tuple[Held, float]]:
    """What each name held and its mean, the highest first."""
    found: dict[str, Held] = {}
    even = 0
    for row in rows:
        even += row.even
        for name, (number, note) in _of_row(entries(row.top)).items():
            one = found.get(name)
            if one is None:
                one = found[name] = Held(name, note, number, row.wall_seconds)
            elif number > one.highest:
                one.highest, one.note, one.when = number, note, row.wall_seconds
            if row.even:
                one.total += number
    return sorted(((one, one.total / max(1, even)) for one in found.values()), key=lambda each: -each[0].highest)


def _of_row(entries: Entries) -> Mapping[str, tuple[float, str]]:
    """By name: what is masked may have one more than once, and the fullest counts."""
    best: dict[str, tuple[float, str]] = {}
    for name, number, note in entries:
        if name not in best or number > best[name][0]:
            best[name] = (number, note)
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
    table: dict[str, np.ndarray] = {}
    for block, row in zip(at, rows, strict=True):
        for name, (number, _) in _of_row(entries(row.top)).items():
            values = table.setdefault(name, np.where(read & seen, 0.0, np.nan))
            values[block] = max(number, np.nan_to_num(values[block]))
    yield from sorted(
        ((name, _held(values, seen)) for name, values in table.items()), key=lambda each: -np.nanmax(each[1])
    )


def _held(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A block without a row of its own is as the one before it, but not across a gap."""
    last, filled = np.nan, values.copy()
    for number, value in enumerate(values):
        last = value if np.isfinite(value) else last if seen[number] else np.nan
        filled[number] = last
    return filled
