"""What was out of order in the period, symptom by symptom: limits, counters of trouble, patterns, gaps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tcptide import levels
from tcptide.model import Event

from . import words
from .figures import share
from .frames import EXPECTED, History
from .limits import Limits
from .patterns import Marked

TOGETHER_SECONDS = 1800.0  # stretches that are nearer than this are one
GAP_SECONDS = 1800.0  # a shorter gap is told of under data quality alone
GROWN = 0.25  # of what was expected: less is a note, where nothing but the numbers tells of growth
SHIFT_SECONDS = 3600.0  # a level that is left again sooner is among the patterns alone
DEVIATIONS = 3.0  # as the checks allow for chance: tcptide.usage.at_least

#: Kinds of symptoms: those that are an incident of their own, and those that are a part of whatever came with them.
CAUSES = (
    *("accept_queue", "syn_flood", "ports", "time_wait", "conntrack", "memory", "leak", "retransmits"),
    *("alert", "gap"),  # an alert only if none of the others explains it
)
EFFECTS = ("bind", "failed_opens", "growth", "flood", "outage", "level_shift")
KINDS = (*CAUSES, *EFFECTS)

#: pattern -> kind, severity. A spike is over before anybody could do something about it.
PATTERNS: Mapping[str, tuple[str, int]] = {
    "slow_leak": ("growth", 1),
    "rapid_increase": ("flood", 1),
    "rapid_decrease": ("outage", 1),
    "level_shift": ("level_shift", 0),
}


#: What the finding of a leak holds that was told from sockets that stayed, and not from growing numbers alone.
SURVIVORS = '"oldest_seconds"'


class Trouble(NamedTuple):
    """What the kernel counts only when something goes wrong."""

    kind: str
    severity: int
    series: str
    counted: str


TROUBLES = (
    Trouble("accept_queue", 2, "listen_overflows", "connections dropped"),
    Trouble("memory", 2, "abort_on_memory", "connections aborted"),
    Trouble("time_wait", 1, "time_wait_overflows", "TIME_WAIT sockets cut short"),
    Trouble("syn_flood", 1, "syncookies_sent", "SYN cookies sent"),
    Trouble("syn_flood", 1, "req_queue_full_drops", "SYNs dropped"),
    Trouble("memory", 1, "memory_pressures", "times under memory pressure"),
)


class Watched(NamedTuple):
    """A percentage that has limits."""

    kind: str
    check: str
    metric: str
    percent: pd.Series
    what: str
    sure: pd.Series | None = None  # what it is at least, chance allowed for: this is held against the limits


@dataclass(frozen=True)
class Symptom:
    """One thing that was out of order for a stretch of time."""

    kind: str  # of KINDS
    severity: int  # 0 note, 1 warning, 2 critical
    since: float  # wall clock seconds
    until: float
    seconds: float  # for how long it was the case: less than the stretch if it came and went
    peak: float  # wall clock seconds of the worst row
    evidence: str
    event: Event | None = None  # that recorded it
    counted: bool = False  # an alert of how many there were, which says nothing of why

    @property
    def rank(self) -> int:
        """The lower, the more it says of the cause."""
        return len(KINDS) if self.counted else KINDS.index(self.kind)

    @property
    def pattern(self) -> bool:
        """Whether the detector said so."""
        return self.weak or self.kind == "leak"

    @property
    def weak(self) -> bool:
        """A pattern that says little by itself: it is a part of whatever is nearby."""
        return self.kind in ("growth", "flood", "outage", "level_shift")


def symptoms(history: History, limits: Limits, marked: Sequence[Marked]) -> list[Symptom]:
    """All of them."""
    return [*_over_levels(history, limits), *_troubles(history), *_patterns(history, marked), *_gaps(history)]


def _watched(history: History) -> Iterator[Watched]:
    """The percentages, where as much happened as a check asks for."""
    values, highest = history.values, history.highest
    yield Watched(
        *("ports", "tcp_port_exhaustion", "worst_destination", highest["worst_destination"], "of the ports used")
    )
    bound = highest["worst_bind"]
    yield Watched("bind", "tcp_port_exhaustion", "worst_bind", bound, "of the ports taken for bind()")
    time_wait, conntrack = (share(highest[name], values[f"{name}_limit"]) for name in ("time_wait", "conntrack"))
    yield Watched("time_wait", "tcp_time_wait", "bucket_usage", time_wait, "of the limit used")
    yield Watched("conntrack", "tcp_connections", "conntrack_usage", conntrack, "of the conntrack table used")
    waiting = highest["worst_listener"].where(highest["not_accepted"] >= levels.MINIMUM_WAITING)
    yield Watched("accept_queue", "tcp_listen_queue", "worst_listener", waiting, "of the backlog waited")
    opens = values["active_opens"] + values["passive_opens"]
    broken_off = values["embryonic_resets"].fillna(0)  # by the other side, as load balancers check a service
    failed = share((values["attempt_fails"] - broken_off).clip(lower=0), opens)
    sure = _at_least(failed, opens * history.spacing_seconds, levels.MINIMUM_OPENS)
    yield Watched("failed_opens", "tcp_errors", "failed_open_percent", failed, "of the opens failed", sure)
    again, sent = share(values["retrans_segs"], values["out_segs"]), values["out_segs"] * history.spacing_seconds
    sure = _at_least(again, sent, levels.MINIMUM_SEGMENTS, levels.SEGMENTS_TOGETHER)
    yield Watched("retransmits", "tcp_errors", "retransmit_percent", again, "of the segments were sent again", sure)


def _at_least(percent: pd.Series, number: pd.Series, minimum: float, together: float = 1.0) -> pd.Series:
    """tcptide.usage.at_least of whole columns: Wilson's lower bound; NaN where too little happened."""
    counted = number.where(number >= minimum - 0.5) / together
    part, sure = percent / 100, DEVIATIONS**2 / counted
    middle, spread = part + sure / 2, np.sqrt(part * (1 - part) * sure + sure**2 / 4)
    return 100 * (middle - spread).clip(lower=0) / (1 + sure)


def _over_levels(history: History, limits: Limits) -> Iterator[Symptom]:
    for one in _watched(history):
        held = one.percent if one.sure is None else one.sure
        lowest = min((limit for limit in limits.of(one.check, one.metric) if limit is not None), default=None)
        if lowest is None:
            continue
        for rows in stretches(history, (held > lowest).to_numpy()):
            severity = limits.severity(one.check, one.metric, float(held.iloc[rows].max()))
            limit = limits.of(one.check, one.metric)[severity - 1]
            above = float(history.seconds[rows][(held.iloc[rows] > limit).to_numpy()].sum())
            most = float(one.percent.iloc[rows].max())
            evidence = f"at most {words.percent(most)} {one.what}, above {limit:g}% for {words.duration(above)}"
            peak = rows[int(np.nanargmax(one.percent.iloc[rows].to_numpy()))]
            yield _symptom(history, one.kind, severity, rows, peak, evidence)


def _troubles(history: History) -> Iterator[Symptom]:
    for one in TROUBLES:
        total = history.increase[one.series]
        if not total:
            continue
        rates, seen = history.values[one.series].to_numpy(), 0.0
        for rows in stretches(history, history.highest[one.series].to_numpy() > 0):
            counted = float(np.nansum(rates[rows] * history.seconds[rows]))
            seen += counted
            peak = rows[int(np.nanargmax(rates[rows]))]
            yield _symptom(history, one.kind, one.severity, rows, peak, f"{_about(counted)} {one.counted}")
        if not seen:
            gap = max(history.outages, key=lambda gap: gap.seconds, default=None)
            since, until = (gap.since, gap.until) if gap else (history.since, history.until)
            evidence = f"{words.count(total)} {one.counted} while no samples were taken"
            yield Symptom(one.kind, one.severity, since, until, until - since, since, evidence)


def _about(number: float) -> str:
    """A number that was reckoned from rates: three digits of it are true."""
    if number < 1000:
        return words.count(round(number))
    step = 10 ** (len(str(int(number))) - 3)
    return words.count(round(number / step) * step)


def _patterns(history: History, marked: Sequence[Marked]) -> Iterator[Symptom]:
    for one in marked:
        kind, severity = PATTERNS.get(one.pattern, ("", 0))
        rows = (history.ends >= one.since) & (history.begins <= one.until)
        if kind == "growth" and one.event and SURVIVORS in (one.event.finding or ""):
            kind = "leak"
        elif kind == "growth" and not _grew(history, rows):
            severity = 0
        since = one.since if one.began is None else one.began
        if kind and (severity or kind == "growth" or one.until - since >= SHIFT_SECONDS):
            peak = _peak(history, one, kind, rows)
            yield Symptom(kind, severity, since, one.until, one.until - since, peak, one.what, one.event)


def _grew(history: History, rows: np.ndarray) -> bool:
    """Whether it was much more than expected; a rollup does not know what was."""
    part = history.values[rows]
    more = (part["total"] / part[EXPECTED] - 1).max()
    return not more < GROWN


def _peak(history: History, one: Marked, kind: str, rows: np.ndarray) -> float:
    """When what grew was most; a pattern outlasts what made it."""
    code = one.event.code if one.event else None
    name = {"leak_close_wait": "close_wait", "leak_established": "established"}.get(code or "", "total")
    seen = (history.values if kind == "outage" else history.highest)[name][rows].dropna()
    if seen.empty:
        return one.until
    number = int(seen.argmin() if kind == "outage" else seen.argmax())
    return float(seen.index.to_numpy()[number])


def _gaps(history: History) -> Iterator[Symptom]:
    booted = [one.wall_seconds for one in history.restarts if one.kind == "boot"]
    for gap in history.outages:
        if gap.seconds >= GAP_SECONDS:
            after = "; the host booted at its end" if gap.until in booted else ""
            missing = f"what happened in these {words.duration(gap.seconds)} is in no picture{after}"
            yield Symptom("gap", 1, gap.since, gap.until, gap.seconds, gap.since, missing)


def _symptom(history: History, kind: str, severity: int, rows: np.ndarray, peak: int, evidence: str) -> Symptom:
    since, until = float(history.begins[rows[0]]), float(history.ends[rows[-1]])
    wall = float(history.values.index[peak])
    return Symptom(kind, severity, since, until, float(history.seconds[rows].sum()), wall, evidence)


def stretches(history: History, where: np.ndarray) -> list[np.ndarray]:
    """The rows where something was the case, those that are near to each other together."""
    rows = np.flatnonzero(where)
    if not len(rows):
        return []
    apart = history.begins[rows[1:]] - history.ends[rows[:-1]] > TOGETHER_SECONDS
    return np.split(rows, np.flatnonzero(apart) + 1)
