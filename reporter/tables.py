"""The tables of the page: the states over the period, and who held what in the newest sample."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from tcptide.model import NOT_CONNECTIONS, STATES, Holder, Sample
from tcptide.text import endpoint

from . import words
from .figures import column
from .frames import History

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


def tops(sample: Sample) -> list[Table]:
    """Who held what, where anything was held."""
    tables = [
        _table("Fullest destinations", ("To", "Ports", "Used"), _destinations(sample)),
        _table("Fullest accept queues", ("Listener", "Waiting", "Full"), _listeners(sample)),
        *(
            _table(title, (name, "Sockets"), [_holder(one) for one in sample.holders if one.kind == kind])
            for title, name, kind in (
                ("Busiest units", "Unit", "unit"),
                ("Busiest users", "User", "user"),
                ("Busiest processes", "Process", "process"),
            )
        ),
        _table("Incoming, by local port", ("Port", "Connections"), _counted(sample.local_ports)),
        _table("Incoming, by remote address", ("Address", "Connections"), _counted(sample.remotes)),
    ]
    return [table for table in tables if table.rows]


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> Table:
    every = list(rows)
    return Table(title, columns, every[:ROWS], max(0, len(every) - ROWS))


def _destinations(sample: Sample) -> Iterable[tuple[Cell, ...]]:
    for one in sample.ports.worst if sample.ports else ():
        if one.ports_used:
            source = f"from {one.local}" + (f", {one.holder}" if one.holder else "")
            reusable = f"+{one.reusable:,} reusable" if one.reusable else ""
            yield (
                Cell(endpoint(one.remote, one.remote_port), source),
                Cell(f"{one.ports_used:,}", reusable, value=one.ports_used),
                Cell(
                    words.percent(one.utilisation_percent),
                    percent=one.utilisation_percent,
                    value=one.utilisation_percent,
                ),
            )


def _listeners(sample: Sample) -> Iterable[tuple[Cell, ...]]:
    for one in sample.listeners:
        yield (
            Cell(endpoint(one.address, one.port), one.holder + ", IPv6" * (":" in one.address)),
            Cell(f"{one.queue:,}", f"backlog {one.backlog:,}", value=one.queue),
            Cell(
                words.percent(one.utilisation_percent),
                percent=one.utilisation_percent,
                value=one.utilisation_percent,
            ),
        )


def _holder(holder: Holder) -> tuple[Cell, ...]:
    held = sorted((-number, state) for state, number in holder.states.items() if number)
    return (
        Cell(holder.name, ", ".join(f"{-number:,} {state}" for number, state in held[:3])),
        Cell(f"{-sum(number for number, _ in held):,}", value=-sum(number for number, _ in held)),
    )


def _counted(entries: Sequence[tuple[object, int]]) -> Iterable[tuple[Cell, ...]]:
    for name, number in entries:
        yield Cell(str(name)), Cell(f"{number:,}", value=number)
