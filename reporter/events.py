"""The recorded changes of state as a table."""

from collections.abc import Sequence
from datetime import tzinfo

from tcptide.model import Event

from . import words
from .tables import Cell, Table

ROWS = 25
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
BADGES = ("fine", "warning", "critical", "note")  # by state, as a finding's
CHANGES = {  # by kind, then (was the case, is the case)
    "pattern": {(0, 1): "begins", (1, 1): "changes", (1, 0): "over"},
    "forecast": {(0, 1): "in reach", (1, 0): "out of reach"},
}


def table(events: Sequence[Event], zone: tzinfo) -> Table:
    """The newest first, at most ROWS of them."""
    newest = list(reversed(events))
    rows = [
        (
            Cell(words.stamp(event.wall_seconds, zone)),
            _level(event),
            Cell(words.patterns_named(event.message), _who(event)),
        )
        for event in newest[:ROWS]
    ]
    return Table("Alert history", ("When", "Level", "What"), rows, max(0, len(newest) - ROWS))


def _level(event: Event) -> Cell:
    if event.kind in CHANGES:
        was, now = int(bool(event.old)), int(bool(event.new))
        return Cell(CHANGES[event.kind].get((was, now), ""), event.kind, badge="warning" if now else "fine")
    before = "" if event.old is None else f"was {_state(event.old)}"
    return Cell(_state(event.new), before, badge=BADGES[event.new] if event.new in range(4) else "note")


def _state(number: int) -> str:
    return STATES[number] if number in range(len(STATES)) else str(number)


def _who(event: Event) -> str:
    """The service that was checked."""
    return event.name if event.kind == "threshold" else ""
