"""What follows from history rows by plain arithmetic: rates of counters, and the statistics of a quarter of an hour."""

from collections.abc import Sequence
from math import ceil

from tcptide.model import Point, Rates, Rollup
from tcptide.schema import QUARTER_SECONDS, STATISTICS
from tcptide.series import COUNTERS, SERIES

#: The distance between the two points of a rate: shorter is noise, longer hides what happens now.
MIN_SECONDS = 30.0
MAX_SECONDS = 900.0

#: A longer pause between two rows is a gap that no sample stands for.
GAP_INTERVALS = 3


def rates(newest: Point, earlier: Sequence[Point]) -> Rates:
    """Per-second rates of the counters, against the youngest of the earlier points that is 30 to 900 s older.

    Both points are of the same boot and namespace. A counter that went down or wasn't seen has no rate (None).
    `missing` says why there is none at all: 'first' (nothing earlier, or too young yet), 'reset' (only of another boot
    or namespace, or all counters went down), 'gap' (all too old).
    """
    reason = "first"
    for point in sorted(earlier, key=lambda point: point.boottime_seconds, reverse=True):
        if not _comparable(point, newest):
            reason = "reset" if reason == "first" else reason
            continue
        seconds = newest.boottime_seconds - point.boottime_seconds
        if seconds > MAX_SECONDS:
            reason = "gap"
        elif seconds >= MIN_SECONDS:
            per_second = {name: _rate(point, newest, name, seconds) for name in COUNTERS}
            if any(rate is not None for rate in per_second.values()):
                return Rates(seconds, per_second, None)
            reason = "reset"
            break
    return Rates(0.0, dict.fromkeys(COUNTERS), reason)


def quarter_of(wall_seconds: float) -> int:
    """The number of the quarter of an hour of UTC."""
    return int(wall_seconds // QUARTER_SECONDS)


def roll_up(quarter: int, points: Sequence[Point], interval_seconds: float = 60.0) -> tuple[Rollup, ...]:
    """The four statistics of a quarter, from its points and their neighbours in the order they were stored.

    Counters count as the rates between neighbours; their mean is what the quarter's rates together grew by, over their
    time. p95 is by nearest rank. A point stands for the time since the one before it, across a gap (over three
    intervals), a boot or a new namespace for one interval. Nothing is given for a quarter without points.
    """
    samples = [point for point in points if quarter_of(point.wall_seconds) == quarter]
    if not samples:
        return ()
    pairs = []
    covered = 0.0
    begin, end = quarter * QUARTER_SECONDS, (quarter + 1) * QUARTER_SECONDS
    before: Point | None = None
    for point in points:
        seconds = interval_seconds
        if before is not None and _comparable(before, point):
            between = point.boottime_seconds - before.boottime_seconds
            if 0 < between <= GAP_INTERVALS * interval_seconds:
                seconds = between
            if 0 < between <= MAX_SECONDS and quarter_of(point.wall_seconds) == quarter:
                pairs.append((before, point, between))
        covered += max(0.0, min(end, point.wall_seconds) - max(begin, point.wall_seconds - seconds))
        before = point
    statistics: dict[str, dict[str, float | None]] = {statistic: {} for statistic in STATISTICS}
    for series in SERIES:
        name = series.name
        if series.kind == "counter":
            spans = [(rate, span) for a, b, span in pairs if (rate := _rate(a, b, name, span)) is not None]
        else:
            spans = [(value, 1.0) for point in samples if (value := point.values[name]) is not None]
        values = sorted(value for value, _ in spans)
        total = sum(span for _, span in spans)
        statistics["min"][name] = values[0] if values else None
        statistics["mean"][name] = sum(value * span for value, span in spans) / total if values else None
        statistics["max"][name] = values[-1] if values else None
        statistics["p95"][name] = values[ceil(0.95 * len(values)) - 1] if values else None
    covered = min(covered, float(QUARTER_SECONDS))
    return tuple(Rollup(name, quarter, len(samples), covered, values) for name, values in statistics.items())


def _comparable(older: Point, newer: Point) -> bool:
    """Whether counters went on between two points: the same boot, the same network namespace."""
    return older.boot_id == newer.boot_id and older.netns_cookie == newer.netns_cookie


def _rate(older: Point, newer: Point, name: str, seconds: float) -> float | None:
    first, last = older.values[name], newer.values[name]
    return None if first is None or last is None or last < first else (last - first) / seconds
