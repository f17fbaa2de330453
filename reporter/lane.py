"""What is drawn upon a chart besides its numbers: what went wrong when, and the way to a limit."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.path import Path

from .ahead import Height
from .canvas import polygon
from .chart import SMALL, Key, TimeChart
from .frames import History
from .outlines import width

HEIGHT = 18  # CSS pixels over the axes: a bar for each mark, and its number
BAR = 4

SHORTEST = 0.1  # of a history: what is to come and is shorter would not be seen beside it
BEFORE = 4  # times what is to come, that is shown before it

FORECAST = Key("forecast", "text", dashes=(3, 2), width=1.4)


class Mark(NamedTuple):
    """A stretch of time with the number that it has in the list of findings."""

    number: int
    since: float  # wall clock seconds
    until: float


def numbers(chart: TimeChart, every: Sequence[Mark]) -> None:
    """A bar over the axes for each, with its number.

    All look the same: what tells them apart are numbers, which need no colour.
    """
    chart.spans([chart.wide_enough(one.since, one.until) for one in every], chart.top, chart.top + BAR, "text")
    for middle, text in labels(every, chart.pixels_per_second):
        half = width(text, SMALL) / 2
        x = min(max(chart.x(middle), chart.left + half), chart.right - half)
        chart.canvas.words(x, chart.top + BAR + 3, text, "text", size=SMALL, across="center", bold=True)


def labels(every: Sequence[Mark], pixels_per_second: float) -> list[tuple[float, str]]:
    """The numbers over the bars and the moments they are centred on: `3`, or `3,4` where they would collide."""
    groups: list[tuple[float, str]] = []
    for one in sorted(every, key=lambda one: one.since + one.until):
        groups.append(((one.since + one.until) / 2, str(one.number)))
        while len(groups) > 1 and _collide(groups[-2], groups[-1], pixels_per_second):
            (left, before), (right, after) = groups[-2:]
            same = after in before.split(",")
            groups[-2:] = [((left + right) / 2, before if same else f"{before},{after}")]
    return groups


def _collide(left: tuple[float, str], right: tuple[float, str], pixels_per_second: float) -> bool:
    needed = (width(left[1], SMALL, bold=True) + width(right[1], SMALL, bold=True)) / 2 + 4
    return (right[0] - left[0]) * pixels_per_second < needed


def near(cone: Sequence[Height], history: History) -> float | None:
    """From when to draw the way to a limit; None where the whole history is short enough to show it."""
    long = longest(cone)
    if long >= SHORTEST * (history.until - history.since):
        return None
    since = history.last - max(BEFORE * long, 10 * history.spacing_seconds)
    return float(history.begins[history.begins >= since][0])


def longest(cone: Sequence[Height]) -> float:
    """How many seconds there are to draw."""
    return cone[-1].high or 2 * cone[-1].seconds


def end(cone: Sequence[Height], since: float, now: float) -> float:
    """How far the axis goes on for a cone."""
    return now + min(1.1 * longest(cone), (now - since) / 2) if cone else now


def draw_cone(chart: TimeChart, cone: Sequence[Height], now: float) -> None:
    """From what is used now to the limit, in percent: the 80 % interval as a surface, the likeliest way as a line."""
    ends = chart.range[1]
    heights = [chart.height(100 * each.share) for each in cone]
    early, likely, late = (
        [chart.x(min(ends, now + after)) for after in times]
        for times in (
            [each.low for each in cone],
            [each.seconds for each in cone],
            [ends - now if each.high is None else each.high for each in cone],
        )
    )
    edge = [*zip(early, heights, strict=True), *reversed([*zip(late, heights, strict=True)])]
    chart.canvas.fill(polygon(edge), "cone")
    chart.canvas.stroke(polygon(edge), "muted", 1.0)
    key = FORECAST
    chart.canvas.stroke(Path([*zip(likely, heights, strict=True)]), key.role, key.width, key.dashes)
    chart.moment(now)


def within(every: Sequence[Mark], since: float) -> list[Mark]:
    """Those that a chart from then on shows."""
    return [one._replace(since=max(one.since, since)) for one in every if one.until >= since]
