"""The key figures: what a number is now, what it was on average, and when it was highest."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import pandas as pd

from tcptide import levels
from tcptide.levels import Levels
from tcptide.model import Destination, Listener
from tcptide.text import endpoint

from . import words
from .frames import History
from .load import Loaded


@dataclass(frozen=True)
class Measured:
    """A number over the period; None where it was never seen."""

    now: float | None  # of the newest point
    mean: float | None
    highest: float | None
    when: float | None  # wall clock seconds of the highest; the first of equals


def measured(values: pd.Series) -> Measured:
    """The figures of one column, whose index is wall clock seconds."""
    seen = values.to_numpy(dtype=float)
    if not np.isfinite(seen).any():
        return Measured(None, None, None, None)
    at = int(np.nanargmax(seen))
    now = float(seen[-1])
    return Measured(None if np.isnan(now) else now, float(np.nanmean(seen)), float(seen[at]), float(values.index[at]))


def column(history: History, name: str) -> Measured:
    """The figures of a stored series."""
    return measured(history.values[name])


def share(history: History, part: str, *whole: str) -> pd.Series:
    """One column as a percentage of another, or of the sum of others; NaN where there is no whole."""
    of = history.values[list(whole)].sum(axis=1, min_count=len(whole))
    return (100 * history.values[part] / of.where(of > 0)).clip(upper=100)


@dataclass(frozen=True)
class Figure:
    """A key figure in words, and as a bar where it is a share of something that can be full."""

    title: str
    value: str
    meaning: str  # what `value` is
    details: tuple[str, ...]
    bar: tuple[float, float] | None = None  # now and highest, percent
    severity: int = 0  # of the highest, by the checks' default thresholds


@dataclass(frozen=True)
class Figures:
    """The key figures of a history."""

    history: History
    loaded: Loaded
    zone: tzinfo
    now: str  # what the last numbers are called

    def all(self) -> list[Figure]:
        """Those of the page in its order; what was never seen is left out."""
        opened = measured(self.history.values["active_opens"] + self.history.values["passive_opens"])
        figures = [
            self._amount(
                "Connections", f"{self.now}, all states but LISTEN", column(self.history, "total"), words.count
            ),
            self._amount("Opened", f"connections {self.now}, by both sides", opened, words.per_second),
            self._time_wait(),
            self._destination(),
            self._listener(),
            self._conntrack(),
            self._part("Failed opens", "opens", "attempt_fails", "active_opens", "passive_opens"),
            self._part("Retransmits", "segments sent", "retrans_segs", "out_segs"),
        ]
        return [figure for figure in figures if figure]

    def _time_wait(self) -> Figure | None:
        now, limit = column(self.history, "time_wait").now, column(self.history, "time_wait_limit").now
        of = f"{words.count(now)} of {words.count(limit)}"
        levels_of = ("tcp_time_wait", "bucket_usage")
        return self._fill("TIME_WAIT", f"of its limit {self.now}", self._share("time_wait"), levels_of, of)

    def _conntrack(self) -> Figure | None:
        levels_of = ("tcp_connections", "conntrack_usage")
        return self._fill("Conntrack", f"of its table {self.now}", self._share("conntrack"), levels_of)

    def _destination(self) -> Figure | None:
        ports = self.loaded.newest.ports if self.loaded.newest else None
        now = destination(ports.worst[0]) if ports and ports.worst else ""
        then = destination(self.loaded.fullest_destination)
        used = column(self.history, "worst_destination")
        levels_of = ("tcp_port_exhaustion", "worst_destination")
        return self._fill("Fullest destination", f"of its ports used {self.now}", used, levels_of, now, then)

    def _listener(self) -> Figure | None:
        """A short queue is full with a few connections: without an overflow that is no matter."""
        fill, dropped = column(self.history, "worst_listener"), self.history.increase["listen_overflows"]
        then = listening(self.loaded.fullest_listener) if fill.highest else ""
        levels_of = ("tcp_listen_queue", "worst_listener" if dropped else "")
        lost = "" if dropped is None else words.counted(dropped, "overflow")
        return self._fill("Fullest accept queue", f"of its backlog {self.now}", fill, levels_of, lost, then)

    def _amount(self, title: str, meaning: str, of: Measured, say: Callable[[float | None], str]) -> Figure:
        return Figure(title, say(of.now), meaning, self._course(of, say))

    def _fill(
        self, title: str, meaning: str, of: Measured, levels_of: tuple[str, str], now: str = "", then: str = ""
    ) -> Figure | None:
        if of.highest is None:
            return None
        details = tuple(filter(None, (now, *self._course(of, words.percent, then))))
        severity = severity_of(of.highest, levels.of(*levels_of))
        return Figure(title, words.percent(of.now), meaning, details, (of.now or 0.0, of.highest), severity)

    def _part(self, title: str, what: str, part: str, *whole: str) -> Figure:
        """What share of all that was counted in the period went wrong."""
        counts = [self.history.increase[name] for name in (part, *whole)]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return Figure(title, words.NOT_SEEN, f"of the {what} in this period", ("not counted yet",))
        wrong, of = known[0], sum(known[1:])
        value = words.percent(min(100.0, 100 * wrong / of)) if of else words.NOT_SEEN
        return Figure(
            title,
            value,
            f"of the {what} in this period",
            (f"{words.count(wrong)} of {words.count(of)}" if of else f"no {what}",),
        )

    def _course(self, of: Measured, say: Callable[[float | None], str], who: str = "") -> tuple[str, ...]:
        if of.when is None or len(self.history.values) == 1:
            return ()
        if not of.highest:
            return (f"{say(0)} all the time",)
        highest = f"highest {say(of.highest)}, {words.stamp(of.when, self.zone)}"
        return f"mean {say(of.mean)}", f"{highest}, {who}" if who else highest

    def _share(self, name: str) -> Measured:
        return measured(share(self.history, name, f"{name}_limit"))


def severity_of(value: float | None, limits: Levels) -> int:
    """0 within the thresholds, 1 above warning, 2 above critical."""
    if value is None:
        return 0
    if limits.critical is not None and value > limits.critical:
        return 2
    return int(limits.warning is not None and value > limits.warning)


def destination(one: Destination | None) -> str:
    """`to 10.0.0.5:5432 by app.service`; nothing where nothing is held."""
    if one is None or not one.ports_used:
        return ""
    return f"to {endpoint(one.remote, one.remote_port)}" + (f" by {one.holder}" if one.holder else "")


def listening(one: Listener | None) -> str:
    """`:8080 of nginx.service`."""
    return "" if one is None else f"{endpoint(one.address, one.port)} of {one.holder}"
