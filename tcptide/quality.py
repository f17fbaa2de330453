"""Whether connections are clearly worse off than they usually are on this host: pure, from rollups and rows.

What is usual is the median quarter of an hour of the last seven days. The newest day is left out of it, so that what
goes wrong does not become usual while it does; after a day it has. Robust statistics (the median, the median absolute
deviation, the quarter that one in fifty exceeds) so that a bad hour last week changes nothing; and what the same hour
of such days was like, for hosts whose clients are others at night or on weekends.

A job that talks to far places makes the times long for some minutes a day or a week: too few quarters for a quantile.
So what is beyond chance counts only when the last hour had clearly more of it, in height times length, than there was
within an hour by the clock before, or at three other hours.

Round-trip times count as worse when the median and the 95th percentile both are. When connections to farther places
become more the median alone jumps, by any factor, and nothing is wrong.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, sqrt

from tcptide import levels
from tcptide.model import Point, Rollup
from tcptide.record import NamedTuple
from tcptide.schema import QUARTER_SECONDS

DAYS = 7
_DAY_QUARTERS = 86400 // QUARTER_SECONDS

#: How far back rollups are needed: the seven days and the one that is left out.
HISTORY_SECONDS = (DAYS + 1) * 86400.0

#: Four hours: with less there is no usual.
MINIMUM_QUARTERS = 16

#: Rows with tcp_info that must all show it, besides the newest look, and how old they may be.
CONFIRMED_ROWS = 3
CONFIRMED_SECONDS = 3600.0

#: After a boot connections are young, and their round-trip times are of handshakes.
QUIET_SECONDS = 600.0

_MEDIAN, _TAIL, _RETRANSMITTING, _CONNECTIONS = "rtt_p50_ms", "rtt_p95_ms", "retransmitting_percent", "measured"

#: The Series that this needs.
NAMES = (_MEDIAN, _TAIL, _RETRANSMITTING, _CONNECTIONS)

_RTT_FACTOR, _RTT_MS, _RETRANSMITTING_POINTS = 2.0, 20.0, 5.0

_DEVIATIONS = 5.0
_DEVIATION_OF_MEDIAN = 1.4826  # from a median absolute deviation to a standard one

#: Chance reaches so many times as far as the quarters that one in fifty exceeds, at an hour one in five.
_HIGH_FACTOR, _HIGH, _HIGH_AT_AN_HOUR = 1.5, 0.98, 0.8

#: The last hour of rows has part in so many quarters at most.
_HOUR_QUARTERS = 5

#: What happened at so many hours, each two from the others, is usual at any; more than so many times as much is not.
_TIMES, _MORE = 3, 1.5

#: Quarters within an hour by the clock, of such a day, that make the hour known.
_ALIKE, _AN_HOUR = 4, 4


class Usual(NamedTuple):
    """What a statistic was in the quarters of an hour of the last days."""

    value: float  # the median
    chance: float  # up to here it is chance
    strange: bool  # no such hour of such a day, of the week or of the weekend, is among them
    had: float  # what is usual beyond chance in an hour: the sum of what quarters had more than the median


class Degradation(NamedTuple):
    """A clear change for the worse, confirmed."""

    kind: str  # 'rtt' or 'retransmitting'
    now: Mapping[str, float]  # by Series
    usual: Mapping[str, float]


class Quality(NamedTuple):
    """How the connections fare against what is usual."""

    usual: Mapping[str, float]  # by Series; empty when nothing is known
    degradations: tuple[Degradation, ...]
    missing: str | None  # why nothing can be said: 'history' or 'connections'


UNKNOWN = Quality({}, (), "history")


def usual_at(wall_seconds: float, means: Sequence[Rollup], maxima: Sequence[Rollup]) -> Mapping[str, Usual]:
    """What is usual at a time, by Series, from the quarters before it; empty with too short a history."""
    now = int(wall_seconds // QUARTER_SECONDS)
    return {name: found for name in NAMES[:3] if (found := _usual(name, now, means, maxima))}


def compare(newest: Point, rows: Sequence[Point], usual: Mapping[str, Usual]) -> Quality:
    """Hold the newest look against what is usual.

    rows: the last hour's, oldest first; those without tcp_info are passed over. A change counts when the newest look
    and the last three rows with tcp_info of this boot all show it, and the last hour had more of it than is usual.
    """
    if not usual:
        return UNKNOWN
    known = {name: one.value for name, one in usual.items()}
    shown = _shown(newest)
    if shown is None:
        return Quality(known, (), "connections")
    rows = [row for row in rows if row.boot_id == newest.boot_id and row.values[_CONNECTIONS] is not None]
    rows = [row for row in rows if 0 < newest.boottime_seconds - row.boottime_seconds <= CONFIRMED_SECONDS]
    if len(rows) < CONFIRMED_ROWS or rows[-CONFIRMED_ROWS].boottime_seconds < QUIET_SECONDS:
        return Quality(known, (), None)
    hour = [*((row.boottime_seconds, _shown(row)) for row in rows), (newest.boottime_seconds, shown)]
    worse = []
    for kind, names, is_worse in (("rtt", NAMES[:2], _slower), ("retransmitting", NAMES[2:3], _retransmits_more)):
        worse_at = [each is not None and is_worse(each, usual) for _, each in hour]
        if all(worse_at[-1 - CONFIRMED_ROWS :]) and all(
            _had(hour, worse_at, name, known[name]) > _MORE * usual[name].had for name in names
        ):
            now = {name: shown[name] for name in names}
            worse.append(Degradation(kind, now, {name: known[name] for name in names}))
    return Quality(known, tuple(worse), None)


def _usual(name: str, now: int, means: Sequence[Rollup], maxima: Sequence[Rollup]) -> Usual | None:
    known = [
        (each.quarter, value)
        for each in means
        if (value := each.values[name]) is not None and (each.values[_CONNECTIONS] or 0.0) >= levels.MINIMUM_MEASURED
    ]
    if not known:
        return None
    left_out = min(_DAY_QUARTERS, max(4, (now - known[0][0]) // 4))
    last = now - left_out
    chosen = [(quarter, value) for quarter, value in known if last - DAYS * _DAY_QUARTERS <= quarter < last]
    if len(chosen) < MINIMUM_QUARTERS:
        return None
    values = [value for _, value in chosen]
    alike = [value for quarter, value in chosen if _alike(quarter, now)]
    middle, high = _quantile(values, 0.5), _quantile(values, _HIGH)
    deviation = _DEVIATION_OF_MEDIAN * _quantile([abs(value - middle) for value in values], 0.5)
    at_this_hour = _quantile(alike, _HIGH_AT_AN_HOUR) if alike else 0.0
    chance = max(middle + _DEVIATIONS * deviation, _HIGH_FACTOR * max(high, at_this_hour))
    highest = {each.quarter: each.values[name] or 0.0 for each in maxima}
    beyond = [(quarter, value - middle) for quarter, value in chosen if highest.get(quarter, 0.0) > chance]
    return Usual(middle, chance, strange=len(alike) < _ALIKE, had=_usually_had(beyond, now))


def _usually_had(beyond: Sequence[tuple[int, float]], now: int) -> float:
    """By quarters that had rows beyond chance, with what they had more than the median: the most of it in an hour.

    A stretch of such quarters is one time. The mean knows how much there was, wherever in its quarters a job was.
    """
    times: list[tuple[float, int]] = []  # how much, and when most of it was
    at_this_hour = 0.0
    hour: list[float] = []
    before = None
    for quarter, more in beyond:
        if before is None or quarter != before + 1:
            times.append((0.0, quarter))
            hour.clear()
        before = quarter
        hour = [*hour[1 - _HOUR_QUARTERS :], max(0.0, more)]
        times[-1] = max(times[-1], (sum(hour), quarter))
        if _apart(quarter, now) <= _AN_HOUR:  # whatever the day: jobs know no weekend
            at_this_hour = max(at_this_hour, times[-1][0])
    apart: list[int] = []
    for much, quarter in sorted(times, reverse=True):
        if all(_apart(quarter, other) > 2 * _AN_HOUR for other in apart):
            apart.append(quarter)
        if len(apart) == _TIMES:
            return max(at_this_hour, much)
    return at_this_hour


def _had(
    hour: Sequence[tuple[float, Mapping[str, float] | None]], worse_at: Sequence[bool], name: str, middle: float
) -> float:
    """The same of rows that are worse: each stands for the time since the one before."""
    return sum(
        (shown[name] - middle) * min(1.0, (seconds - before) / QUARTER_SECONDS)
        for ((before, _), (seconds, shown)), worse in zip(pairwise(hour), worse_at[1:], strict=True)
        if worse and shown
    )


def _alike(quarter: int, other: int) -> bool:
    """Within an hour of each other by the clock, and both of the week or both of the weekend (UTC)."""
    return _apart(quarter, other) <= _AN_HOUR and _is_weekend(quarter) == _is_weekend(other)


def _apart(quarter: int, other: int) -> int:
    """By the clock."""
    apart = (quarter - other) % _DAY_QUARTERS
    return min(apart, _DAY_QUARTERS - apart)


def _is_weekend(quarter: int) -> bool:
    return (quarter // _DAY_QUARTERS + 3) % 7 >= 5  # 1 January 1970 was a Thursday; Monday is 0


def _quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return sorted(values)[ceil(share * len(values)) - 1]


def _shown(point: Point) -> dict[str, float] | None:
    """The statistics of a look at enough connections."""
    values = {name: value for name in NAMES if (value := point.values[name]) is not None}
    return values if values.get(_CONNECTIONS, 0.0) >= levels.MINIMUM_MEASURED else None


def _slower(shown: Mapping[str, float], usual: Mapping[str, Usual]) -> bool:
    if not {_MEDIAN, _TAIL} <= shown.keys() & usual.keys():
        return False
    middle, tail = usual[_MEDIAN], usual[_TAIL]
    more, tail_more = shown[_MEDIAN] - middle.value, shown[_TAIL] - tail.value
    if shown[_MEDIAN] <= middle.chance or shown[_TAIL] <= tail.chance or tail_more < more / 2:
        return False
    if middle.strange and shown[_MEDIAN] <= tail.value:  # on the first weekend the neighbours may all be gone
        return False
    return more >= (2.0 if middle.strange else 1.0) * max(_RTT_MS, (_RTT_FACTOR - 1) * middle.value)


def _retransmits_more(shown: Mapping[str, float], usual: Mapping[str, Usual]) -> bool:
    if _RETRANSMITTING not in shown.keys() & usual.keys():
        return False
    before = usual[_RETRANSMITTING]
    connections, more = shown[_CONNECTIONS] / 100, shown[_RETRANSMITTING] - before.value
    if shown[_RETRANSMITTING] <= before.chance or more < (2.0 if before.strange else 1.0) * _RETRANSMITTING_POINTS:
        return False
    enough = shown[_RETRANSMITTING] * connections >= levels.MINIMUM_RETRANSMITTING
    return enough and more * connections >= _DEVIATIONS * sqrt(before.value * connections)
