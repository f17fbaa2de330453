"""What a history row shows to whoever judges the history, whether it is new or read back; and what lasts."""

from collections.abc import Mapping
from typing import Any

from tcptide import outlook
from tcptide.codec import Top
from tcptide.model import NOT_CONNECTIONS, STATES, Point
from tcptide.record import NamedTuple

_STATES = tuple((state, state.lower()) for state in STATES if state not in NOT_CONNECTIONS)


class Observation(NamedTuple):
    """One row. What was not seen is left out."""

    wall_seconds: float
    boottime_seconds: float
    boot_id: str
    netns_cookie: int | None
    states: Mapping[str, float]  # connections only
    used: Mapping[str, float]  # of what can run out, by resource; destinations fullest first
    limits: Mapping[str, float]  # where known
    top: Top
    idle_seen: bool  # the lists of who lingers have idle connections too


def observe(row: Point, top: Top, limits: Mapping[str, float]) -> Observation:
    """What a row and its top lists show; `limits` are those that the row does not know."""
    values = row.values
    used = {name: values[series] for name, series, _ in outlook.RESOURCES}
    used |= {outlook.ports_resource(one): one.ports_used for one in top.destinations}
    return Observation(
        row.wall_seconds,
        row.boottime_seconds,
        row.boot_id,
        row.netns_cookie,
        {state: count for state, name in _STATES if (count := values[name]) is not None},
        {name: count for name, count in used.items() if count is not None},
        {name: limit for name in used if (limit := outlook.limit_of(name, row, limits))},
        top,
        values["measured"] is not None,
    )


class Settled:
    """What is the case, once it has lasted for some rows."""

    def __init__(self, case: str = "", other: str = "", rows: int = 0) -> None:
        self.case, self._other, self._rows = case, other, rows

    def see(self, case: str, needed: int) -> bool:
        """Take in what a row shows; whether that changes what is the case: so many rows in turn must show it."""
        self._rows = self._rows + 1 if case == self._other else 1
        self._other = case
        if case == self.case or self._rows < needed:
            return False
        self.case = case
        return True

    def dump(self) -> list[Any]:
        """The arguments that make an equal one."""
        return [self.case, self._other, self._rows]
