"""What is drawn upon a chart besides its numbers: the patterns of the period, and the way to a limit."""

from collections.abc import Sequence

from matplotlib.patches import Polygon, Rectangle

from .ahead import Height
from .chart import FONT_PIXELS, TimeChart, points
from .frames import History
from .palette import LIGHT
from .patterns import Marked

HEIGHT = 18  # CSS pixels over the axes: a bar for each pattern, and its number
BAR = 4
CHARACTER = 6.5  # CSS pixels, about

SHORTEST = 0.1  # of a history: what is to come and is shorter would not be seen beside it
BEFORE = 4  # times what is to come, that is shown before it


def draw_patterns(chart: TimeChart, every: Sequence[Marked]) -> None:
    """A bar over the axes and a faint band in them for each, with the numbers of the list.

    All look the same: what tells them apart are numbers and names, which need no colour.
    """
    axes = chart.axes
    least = 2 / chart.pixels_per_second
    for one in every:
        widen = max(0.0, least - (one.until - one.since)) / 2
        begin, end = one.since - widen, one.until + widen
        axes.axvspan(begin, end, color=LIGHT["band"], linewidth=0, zorder=0.6)
        bar = Rectangle(
            (begin, 1.0),
            end - begin,
            BAR / chart.height,
            transform=axes.get_xaxis_transform(),
            facecolor=LIGHT["text"],
            linewidth=0,
            clip_on=False,
        )
        axes.add_artist(bar)
    for middle, text in labels(every, chart.pixels_per_second):
        axes.text(
            *(middle, 1 + (BAR + 2) / chart.height, text),
            transform=axes.get_xaxis_transform(),
            color=LIGHT["text"],
            fontsize=points(FONT_PIXELS - 1),
            ha="center",
            va="bottom",
            parse_math=False,
        )


def labels(every: Sequence[Marked], pixels_per_second: float) -> list[tuple[float, str]]:
    """The texts over the bars and the moments they are centred on: `3 slow leak` where it fits, else `3`, or `3-5`."""
    groups: list[tuple[float, list[Marked]]] = []
    for one in every:
        if one.number is None:
            continue
        groups.append(((one.since + one.until) / 2, [one]))
        while len(groups) > 1 and _collide(groups[-2], groups[-1], pixels_per_second):
            (left, before), (right, after) = groups[-2:]
            groups[-2:] = [((left + right) / 2, before + after)]
    return [(middle, _text(together, pixels_per_second)) for middle, together in groups]


def _collide(left: tuple[float, list[Marked]], right: tuple[float, list[Marked]], pixels_per_second: float) -> bool:
    needed = CHARACTER * (len(_numbers(left[1])) + len(_numbers(right[1])) + 1) / 2
    return (right[0] - left[0]) * pixels_per_second < needed


def _numbers(together: list[Marked]) -> str:
    first, last = together[0].number, together[-1].number
    return f"{first}" if first == last else f"{first}-{last}"


def _text(together: list[Marked], pixels_per_second: float) -> str:
    numbers, (one, *others) = _numbers(together), together
    named = f"{numbers} {one.name}"
    fits = CHARACTER * (len(named) + 2) <= (one.until - one.since) * pixels_per_second
    return named if fits and not others else numbers


def near(cone: Sequence[Height], history: History) -> float | None:
    """From when to draw the way to a limit; None where the whole history is short enough to show it."""
    long = longest(cone)
    if long >= SHORTEST * (history.until - history.since):
        return None
    since = history.until - max(BEFORE * long, 10 * history.spacing_seconds)
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
    heights = [100 * each.share for each in cone]
    early = [now + each.low for each in cone]
    late = [ends if each.high is None else now + each.high for each in cone]
    edge = [*zip(early, heights, strict=True), *reversed([*zip(late, heights, strict=True)])]
    surface = Polygon(
        edge, closed=True, facecolor=LIGHT["cone"], edgecolor=LIGHT["muted"], linewidth=points(0.8), zorder=1.5
    )
    chart.axes.add_patch(surface)
    likely = [now + each.seconds for each in cone]
    chart.axes.plot(
        likely,
        heights,
        color=LIGHT["text"],
        linewidth=points(1.4),
        linestyle=(0, (3, 2)),
        label="forecast",
        zorder=2.6,
    )
    chart.axes.axvline(now, color=LIGHT["muted"], linewidth=points(1))
