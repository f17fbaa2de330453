"""The key figures: what a number is now, what it was on average, and when it was highest."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial

import numpy as np
import pandas as pd

from tcptide.model import Destination, Listener
from tcptide.text import endpoint

from . import words
from .compare import Before
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
    if len(names) == 1:
        return measured(history, history.values[names[0]], history.highest[names[0]])
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
    change: str = ""  # `+12% on the week before`
    name: str = ""  # for programs, with what follows
    unit: str = ""  # '' for a plain count, 'per second', 'percent'
    of: Measured | None = None
    before: Measured | None = None  # of the period that this one is compared with


@dataclass(frozen=True)
class Figures:
    """The key figures of a history."""

    history: History
    loaded: Loaded
    zone: tzinfo
    limits: Limits
    now: str  # what the last numbers are called
    before: Before | None = None  # what is compared with

    def all(self) -> list[Figure]:
        """Those of the page in its order; what was never seen is left out."""
        figures = [
            self._amount("connections", "Connections", f"{self.now}, all states but LISTEN", "", "total"),
            self._amount(
                *("opened", "Opened", f"connections {self.now}, by both sides"),
                *("per second", "active_opens", "passive_opens"),
            ),
            self._time_wait(),
            self._destination(),
            self._listener(),
            self._conntrack(),
            self._part(
                *("failed_opens", "Failed opens", "opens", "attempt_fails", "active_opens", "passive_opens"),
                but="embryonic_resets",
            ),
            self._part("retransmits", "Retransmits", "segments sent", "retrans_segs", "out_segs"),
        ]
        return [figure for figure in figures if figure]

    def _time_wait(self) -> Figure | None:
        now, limit = column(self.history, "time_wait").now, column(self.history, "time_wait_limit").now
        of = f"{words.count(now)} of {words.count(limit)}"
        levels_of = ("tcp_time_wait", "bucket_usage")
        return self._fill(
            "time_wait", "TIME_WAIT", f"of its limit {self.now}", partial(usage, name="time_wait"), levels_of, of
        )

    def _conntrack(self) -> Figure | None:
        levels_of = ("tcp_connections", "conntrack_usage")
        return self._fill(
            "conntrack", "Conntrack", f"of its table {self.now}", partial(usage, name="conntrack"), levels_of
        )

    def _destination(self) -> Figure | None:
        ports = self.loaded.newest.ports if self.loaded.newest else None
        now = destination(ports.worst[0]) if ports and ports.worst else ""
        then = destination(self.loaded.fullest_destination)
        levels_of = ("tcp_port_exhaustion", "worst_destination")
        names = "fullest_destination", "Fullest destination"
        return self._fill(
            *names,
            f"of its ports used {self.now}",
            lambda history: column(history, "worst_destination"),
            levels_of,
            now,
            then,
        )

    def _listener(self) -> Figure | None:
        """A short queue is full with a few connections: without an overflow that is no matter."""
        fill, dropped = column(self.history, "worst_listener"), self.history.increase["listen_overflows"]
        then = listening(self.loaded.fullest_listener) if fill.highest else ""
        levels_of = ("tcp_listen_queue", "worst_listener" if dropped else "")
        lost = "" if dropped is None else words.counted(dropped, "overflow")
        names = "fullest_accept_queue", "Fullest accept queue"
        return self._fill(
            *names,
            f"of its backlog {self.now}",
            lambda history: column(history, "worst_listener"),
            levels_of,
            lost,
            then,
        )

    def _amount(self, name: str, title: str, meaning: str, unit: str, *series: str) -> Figure:
        say = words.per_second if unit else words.count
        of = column(self.history, *series)
        past = column(self.before.history, *series) if self.before else None
        return Figure(
            *(title, say(of.now), meaning, self._course(of, say)),
            change=self._change(of, past, words.change),
            name=name,
            unit=unit,
            of=of,
            before=past,
        )

    def _fill(
        self,
        name: str,
        title: str,
        meaning: str,
        measure: Callable[[History], Measured],
        levels_of: tuple[str, str],
        now: str = "",
        then: str = "",
    ) -> Figure | None:
        of = measure(self.history)
        if of.highest is None:
            return None
        past = measure(self.before.history) if self.before else None
        return Figure(
            title,
            words.percent(of.now),
            meaning,
            tuple(filter(None, (now, *self._course(of, words.percent, then)))),
            (of.now or 0.0, of.highest),
            self.limits.severity(*levels_of, of.highest),
            self._change(of, past, words.points),
            *(name, "percent", of, past),
        )

    def _part(self, name: str, title: str, what: str, part: str, *whole: str, but: str = "") -> Figure:
        """What share of all that was counted in the period went wrong; `but` is counted in the part, and not wrong."""
        share, wrong, of = _share(self.history, part, whole, but)
        past = _share(self.before.history, part, whole, but)[0] if self.before else None
        meaning = f"of the {what} in this period"
        if of is None:
            return Figure(title, words.NOT_SEEN, meaning, ("not counted yet",), name=name, unit="percent")
        return Figure(
            title,
            words.percent(share),
            meaning,
            (f"{words.count(wrong)} of {words.count(of)}" if of else f"no {what}",),
            change=self._against(words.points(share, past)),
            name=name,
            unit="percent",
            of=Measured(None, share, None, None),
            before=None if past is None else Measured(None, past, None, None),
        )

    def _change(self, of: Measured, past: Measured | None, say: Callable[[float | None, float | None], str]) -> str:
        """`mean +12%, highest no change on the week before`."""
        if past is None or self.before is None:
            return ""
        mean, highest = say(of.mean, past.mean), say(of.highest, past.highest)
        if not mean or not highest:
            return ""
        return self._against(mean if mean == highest else f"mean {mean}, highest {highest}")

    def _against(self, change: str) -> str:
        if not change or self.before is None:
            return ""
        return f"{change} {'since' if change == 'no change' else 'on'} {self.before.words}"

    def _course(self, of: Measured, say: Callable[[float | None], str], who: str = "") -> tuple[str, ...]:
        if of.when is None or len(self.history.values) == 1:
            return ()
        if not of.highest:
            return (f"{say(0)} all the time",)
        highest = f"highest {say(of.highest)}, {words.stamp(of.when, self.zone)}"
        return f"mean {say(of.mean)}", f"{highest}, {who}" if who else highest


def _share(
    history: History, part: str, whole: tuple[str, ...], but: str
) -> tuple[float | None, float | None, float | None]:
    """The percentage that a part is of a whole, both as counted; None for what was not counted, or of nothing."""
    counts = [history.increase[name] for name in (part, *whole)]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return None, None, None
    wrong, of = max(0.0, known[0] - (history.increase.get(but) or 0.0)), sum(known[1:])
    return (min(100.0, 100 * wrong / of) if of else None), wrong, of


def destination(one: Destination | None) -> str:
    """`towards 10.0.0.5:5432 (app.service)`; nothing where nothing is held."""
    if one is None or not one.ports_used:
        return ""
    return f"towards {endpoint(one.remote, one.remote_port)}" + (f" ({one.holder})" if one.holder else "")


def listening(one: Listener | None) -> str:
    """`:8080 of nginx.service`."""
    return "" if one is None else f"{endpoint(one.address, one.port)} of {one.holder}"
