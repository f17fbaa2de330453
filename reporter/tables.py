"""The tables of the page: the states, and who held what."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from tcptide.codec import Top
from tcptide.model import NOT_CONNECTIONS, STATES, Sample

from . import held, words
from .figures import column
from .frames import History
from .held import Held, Row

ROWS = 8  # of a top list


@dataclass(frozen=True)
class Cell:
    """Text, what belongs to it in small print, for a percentage its bar, for a level how its badge looks."""

    text: str
    note: str = ""
    percent: float | None = None
    badge: str = ""
    value: float | None = None  # for programs: the text as a number


@dataclass(frozen=True)
class Table:
    """A table whose first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    more: int = 0  # rows that are not shown


def states(history: History, newest: Sample | None, zone: tzinfo) -> Table:
    """Every state that was seen."""
    rows = []
    for state in STATES:
        figures = column(history, state.lower())
        if not figures.highest or figures.when is None:
            continue
        families = newest.states.get(state) if newest else None
        rows.append(
            (
                Cell(state, "no connection" if state in NOT_CONNECTIONS else ""),
                Cell(
                    words.count(figures.now),
                    f"{families[1]:,} IPv6" if families and families[1] else "",
                    value=figures.now,
                ),
                Cell(words.count(figures.mean), value=figures.mean),
                Cell(words.count(figures.highest), words.stamp(figures.when, zone), value=figures.highest),
            )
        )
    return Table("States", ("State", "Now" if newest else "Last", "Mean", "Highest"), rows)


def tops(rows: Sequence[Row], newest: Sample | None, zone: tzinfo) -> list[Table]:
    """Who held what over the period, where anything was held, the highest first; now only with a newest sample."""
    now = _top(newest) if newest else None
    if not rows and newest and now:
        rows = [Row(newest.origin.wall_seconds, True, now)]
    tables = [
        _held(title, name, held.over(rows, entries), dict(_numbers(entries, now)), say, zone)
        for title, name, entries, say in (
            ("Destinations, by ports used", "To", held.destinations, words.percent),
            ("Accept queues, by backlog used", "Listener", held.listeners, words.percent),
            ("Sockets by unit", "Unit", held.holders("unit"), words.count),
            ("Sockets by user", "User", held.holders("user"), words.count),
            ("Sockets by process", "Process", held.holders("process"), words.count),
            ("Incoming, by local port", "Port", held.local_ports, words.count),
            ("Incoming, by remote address", "Address", held.remotes, words.count),
        )
    ]
    return [table for table in tables if table.rows]


def means(rows: Sequence[Row], samples: int) -> str:
    """Which samples the means of `tops` are of; nothing where it is all of them."""
    even = sum(row.even for row in rows)
    if not 0 < even < samples:
        return ""
    of = f"{words.counted(even, 'sample')} of {words.count(samples)}"
    return f"Means are of {of}, at equal distances: a short peak may be in none."


def _top(sample: Sample) -> Top:
    """All of the sample's lists, not only their heads."""
    ports = sample.ports
    return Top(
        ports.worst if ports else (),
        (ports.bind if ports else None) or (),
        sample.listeners,
        sample.local_ports,
        sample.remotes,
        sample.holders,
        sample.lingering,
    )


def _numbers(entries: Callable[[Top], held.Entries], now: Top | None) -> Iterable[tuple[str, float]]:
    return [(name, number) for name, number, _ in entries(now)][::-1] if now else []


def _held(
    title: str,
    name: str,
    every: Sequence[tuple[Held, float]],
    now: Mapping[str, float],
    say: Callable[[float | None], str],
    zone: tzinfo,
) -> Table:
    """A row each; of what is not in the newest sample there are none now."""
    percent = say is words.percent
    rows = []
    for one, mean in every:
        present = now.get(one.name, 0.0)
        held_now = (Cell(say(present), value=present),) if now else ()
        bar = one.highest if percent else None
        highest = Cell(say(one.highest), words.stamp(one.when, zone), bar, value=one.highest)
        rows.append((Cell(one.name, one.note), *held_now, Cell(say(mean), value=mean), highest))
    columns = (name, *(("Now",) if now else ()), "Mean", "Highest")
    return Table(title, columns, rows[:ROWS], max(0, len(rows) - ROWS))
