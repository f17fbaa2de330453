"""The pictures of what can be full: TIME_WAIT, the ports towards a destination, accept queues."""

from dataclasses import replace

import numpy as np

from tcptide import levels
from tcptide.saying import sentence, time_left

from . import words
from .canvas import NARROW, Canvas
from .chart import Box, Key, marks
from .charts import Charts
from .figures import column, usage
from .picture import Line, Picture

TALL = 320  # CSS pixels of a picture with two charts

#: Lines that are told apart by their dashes, in the order of their names: colour, dashes.
STYLES = (("established", ()), ("close_wait", (4, 2)), ("syn_sent", (1, 1.5)), ("text", (6, 2, 1, 2)))


def time_wait(charts: Charts) -> Picture | None:
    """TIME_WAIT and how far its limit is; below, how fast it comes about."""
    of, created = column(charts.frame.history, "time_wait"), column(charts.frame.history, "time_wait_created")
    if of.highest is None:
        return None
    most = usage(charts.frame.history, "time_wait").highest or 0
    limit = column(charts.frame.history, "time_wait_limit").now
    near = bool(limit and most >= 25)
    blocks = charts.frame.blocks
    size = replace(NARROW, height=TALL if created.highest is not None else NARROW.height)
    canvas = Canvas(size)
    upper = Box(0, TALL - 185 if created.highest is not None else 0, size.width, size.height)
    axis = marks(max(of.highest, limit or 0.0 if near else 0.0))
    line = Key("TIME_WAIT", "text")
    chart = charts.chart(canvas, "sockets", axis, box=upper)
    chart.area(blocks.highest["time_wait"].to_numpy(), "time_wait")
    chart.line(blocks.mean["time_wait"].to_numpy(), line)
    if near and limit:
        chart.level(limit, f"limit {words.count(limit)} (tcp_max_tw_buckets)")
    rate = ""
    if created.highest is not None:
        lower = Box(0, 0, size.width, upper.bottom)
        under = replace(charts, frame=replace(charts.frame, simulated=False)).chart(
            *(canvas, "created per second", _few(marks(created.highest))),
            box=lower,
            numbered=False,
            indent=chart.indent,
        )
        under.area(blocks.highest["time_wait_created"].to_numpy(), "tint")
        under.line(blocks.mean["time_wait_created"].to_numpy(), Key("", "established"))
        rate = f" Up to {words.per_second(created.highest)} were created; each lasts a minute."
    of_limit = f", {words.percent(most)} of the limit of {words.count(limit)}" if limit else ""
    return Picture(
        "time_wait",
        "TIME_WAIT and how fast it comes about",
        f"At most {charts.highest(of)}{of_limit}; {words.count(of.now)} {charts.now}.{rate}",
        "" if near else "Its limit, tcp_max_tw_buckets, is far above the picture." if limit else "",
        canvas.image(),
    )


def ports(charts: Charts) -> Picture | None:
    """How full the fullest destination is."""
    history = charts.frame.history
    worst = column(history, "worst_destination")
    of = charts.limits.of("tcp_port_exhaustion", "worst_destination")
    limits = sorted({limit for limit in (levels.KNEE_PERCENT, *of) if limit and limit < 100})
    lowest = min((limit for limit in of if limit is not None), default=100.0)
    above = history.seconds_above("worst_destination", lowest)
    long = f", above {lowest:g}% for {words.duration(above)}" if above else ""
    lines = [
        Line("fullest destination", "worst_destination", "established", under="tint"),
        Line("fullest address for bind()", "worst_bind", "syn_sent", (4, 2)),
    ]
    return charts.lines(
        ("ports", "Ephemeral ports used", "percent of the range"),
        lines,
        f"The fullest destination took at most {charts.highest(worst, words.percent)}{long}.{_full(charts)}",
        f"Above {levels.KNEE_PERCENT:g}% each connect() there gets slow; at 100% it fails.{_cone_words(charts)}",
        limits=limits,
        axis=(0, *limits, 100),
        ahead=charts.ahead,
    )


def way_to_limit(charts: Charts) -> Picture:
    """The same close up, where all of the history would be too long to show what is to come."""
    picture = ports(charts)
    if picture is None or charts.ahead is None:
        raise ValueError("there is nothing to draw")
    told = sentence(charts.ahead.forecast)
    return replace(
        picture,
        name="ports-ahead",
        title="Ephemeral ports: the way to the last",
        finding=f"{told[0].upper()}{told[1:]}.",
    )


def _full(charts: Charts) -> str:
    left = time_left(charts.ahead.forecast) if charts.ahead else ""
    return f" The one that is fullest now: {left}." if left else ""


def _cone_words(charts: Charts) -> str:
    cone = charts.ahead and charts.ahead.cone
    return " The cone holds what is to come with 80% probability, if it goes on like this." if cone else ""


def by_destination(charts: Charts) -> Picture | None:
    """The ports by destination, where there is more than one to tell apart."""
    shown = charts.destinations[: len(STYLES)]
    if len(shown) < 2:
        return None
    keys = [Key(name, role, dashes=dashes) for (name, _), (role, dashes) in zip(shown, STYLES, strict=False)]
    tops = [float(np.nanmax(values)) for _, values in shown]
    canvas = Canvas(NARROW)
    chart = charts.chart(canvas, "percent of the range", marks(max(tops)), keys)
    for key, (_, values) in zip(keys, shown, strict=True):
        chart.line(values, key)
    told = ", ".join(f"{words.percent(top)} {name}" for (name, _), top in zip(shown, tops, strict=True))
    return Picture("destinations", "Ports by destination", f"At most {told}.", "", canvas.image())


def accept_queues(charts: Charts) -> Picture | None:
    """How full the fullest accept queue was, and when one overflowed."""
    fullest = column(charts.frame.history, "worst_listener")
    dropped = charts.frame.history.increase["listen_overflows"]
    lost = (
        f"{words.counted(dropped, 'connection')} {'was' if dropped == 1 else 'were'} dropped"
        if dropped
        else "none was seen to overflow"
    )
    return charts.lines(
        ("accept-queues", "Accept queues", "percent of the backlog"),
        [Line("fullest listener", "worst_listener", "established", under="tint")],
        f"The fullest was at most {charts.highest(fullest, words.percent)}; {lost}.",
        "A full queue drops connections: the program behind it does not accept() them fast enough.",
        axis=(0, 25, 50, 75, 100),
        flags="listen_overflows",
    )


def _few(axis: list[float]) -> list[float]:
    """At most three of the marks, for a low chart."""
    return axis if len(axis) <= 3 else [0, axis[-1] / 2, axis[-1]]
