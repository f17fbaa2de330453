"""The key figures: what a number is now, what it was on average, and when it was highest."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import pandas as pd

from tcptide.model import Destination, Listener
from tcptide.text import endpoint

from . import words
from .frames import History
from .limits import Limits
from .load import Loaded


@dataclass(frozen=True)
class Measured:
    """A number over the period; None where it was never seen."""

    now: float | None  # of the newest point
    mean: float | None
    highest: float | None
    when: float | None  # wall clock seconds of the highest; the first of equals


def measured(history: History, values: pd.Series, highest: pd.Series) -> Measured:
    """The figures of one column of a history, made of its values and of its highest."""
    seen, peaks = values.to_numpy(dtype=float), highest.to_numpy(dtype=float)
    known = np.isfinite(seen)
    if not known.any():
        return Measured(None, None, None, None)
    at = int(np.nanargmax(peaks))
    now = float(seen[-1])
    mean = float(np.average(seen[known], weights=history.seconds[known]))
    return Measured(None if np.isnan(now) else now, mean, float(peaks[at]), float(highest.index[at]))


def column(history: History, *names: str) -> Measured:
    """The figures of a stored series, or of the sum of several: of rollups the highest are added, too."""
    values, highest = (table[list(names)].sum(axis=1, skipna=False) for table in (history.values, history.highest))
    return measured(history, values, highest)


def usage(history: History, name: str) -> Measured:
    """The figures of a gauge as a percentage of its limit."""
    limit = history.values[f"{name}_limit"]
    return measured(history, *(share(table[name], limit) for table in (history.values, history.highest)))


def share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """One column as a percentage of another; NaN where there is no whole."""
    return (100 * part / whole.where(whole > 0)).clip(upper=100)


@dataclass(frozen=True)
class Figure:
    """A key figure in words, and as a bar where it is a share of something that can be full."""

    title: str
    value: str
    meaning: str  # what `value` is
    details: tuple[str, ...]
    bar: tuple[float, float] | None = None  # now and highest, percent
    severity: int = 0  # of the highest, by the limits


@dataclass(frozen=True)
class Figures:
    """The key figures of a history."""

    history: History
    loaded: Loaded
    zone: tzinfo
    limits: Limits
    now: str  # what the last numbers are called

    def all(self) -> list[Figure]:
        """Those of the page in its order; what was never seen is left out."""
        opened = column(self.history, "active_opens", "passive_opens")
        figures = [
            self._amount(
                "Connections", f"{self.now}, all states but LISTEN", column(self.history, "total"), words.count
            ),
            self._amount("Opened", f"connections {self.now}, by both sides", opened, words.per_second),
            self._time_wait(),
            self._destination(),
            self._listener(),
            self._conntrack(),
            self._part(
                "Failed opens", "opens", "attempt_fails", "active_opens", "passive_opens", but="embryonic_resets"
            ),
            self._part("Retransmits", "segments sent", "retrans_segs", "out_segs"),
        ]
        return [figure for figure in figures if figure]

    def _time_wait(self) -> Figure | None:
        now, limit = column(self.history, "time_wait").now, column(self.history, "time_wait_limit").now
        of = f"{words.count(now)} of {words.count(limit)}"
        levels_of = ("tcp_time_wait", "bucket_usage")
        return self._fill("TIME_WAIT", f"of its limit {self.now}", usage(self.history, "time_wait"), levels_of, of)

    def _conntrack(self) -> Figure | None:
        levels_of = ("tcp_connections", "conntrack_usage")
        return self._fill("Conntrack", f"of its table {self.now}", usage(self.history, "conntrack"), levels_of)

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
        severity = self.limits.severity(*levels_of, of.highest)
        return Figure(title, words.percent(of.now), meaning, details, (of.now or 0.0, of.highest), severity)

    def _part(self, title: str, what: str, part: str, *whole: str, but: str = "") -> Figure:
        """What share of all that was counted in the period went wrong; `but` is counted in the part, and not wrong."""
        counts = [self.history.increase[name] for name in (part, *whole)]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return Figure(title, words.NOT_SEEN, f"of the {what} in this period", ("not counted yet",))
        wrong, of = max(0.0, known[0] - (self.history.increase.get(but) or 0.0)), sum(known[1:])
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


def destination(one: Destination | None) -> str:
    """`towards 10.0.0.5:5432 (app.service)`; nothing where nothing is held."""
    if one is None or not one.ports_used:
        return ""
    return f"towards {endpoint(one.remote, one.remote_port)}" + (f" ({one.holder})" if one.holder else "")


def listening(one: Listener | None) -> str:
    """`:8080 of nginx.service`."""
    return "" if one is None else f"{endpoint(one.address, one.port)} of {one.holder}"
