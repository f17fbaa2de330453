"""The recorded changes of state as stretches of time, by level: for a time line and a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tcptide.model import Event

from . import words
from .canvas import NARROW, WIDE, Canvas, Image, Size, discs
from .charts import Charts
from .picture import Picture
from .tables import Cell, Table

#: Levels of alerts in the order of their rows, and how each is drawn: colour, and height of its bar in rows.
LEVELS = {
    "critical": ("close_wait", 0.8),
    "warning": ("time_wait", 0.65),
    "unknown": ("other", 0.5),
    "pattern": ("syn_sent", 0.4),
    "forecast": ("established", 0.25),
}
_STATES = {1: "warning", 2: "critical", 3: "unknown"}
ROW = 24  # CSS pixels
DOT = 3  # CSS pixels from the middle of one to its edge, which stays within the axes


@dataclass(frozen=True)
class Alert:
    """A stretch of time in which something was the case."""

    level: str  # of LEVELS
    name: str
    since: float  # wall clock seconds
    until: float
    begun: bool  # it began in the period: an alert was given then
    kind: str = ""  # of the changes that it was told from: threshold, pattern or forecast
    message: str = ""  # of the change that it began with; '' if that is not known


def alerts(events: Sequence[Event], since: float, until: float, before: Sequence[Event] = ()) -> list[Alert]:
    """From the changes of a period, in the order in which they were stored.

    before: the last changes before it of what was the case when it began.
    """
    found: list[Alert] = []
    standing = {
        (one.kind, one.name): Alert(level, one.name, since, until, False, one.kind, one.message)
        for one in before
        if (level := _level(one.kind, one.new))
    }
    for event in events:
        key = (event.kind, event.name)
        if key not in standing and (level := _level(event.kind, event.old)):
            standing[key] = Alert(level, event.name, since, until, False, event.kind)
        level = _level(event.kind, event.new)
        if key in standing:
            if standing[key].level == level and event.kind != "threshold":
                continue  # a pattern that is another one now
            over = standing.pop(key)
            found.append(replace(over, until=max(over.since, event.wall_seconds)))
        if level:
            standing[key] = Alert(level, event.name, event.wall_seconds, until, True, event.kind, event.message)
    return sorted([*found, *standing.values()], key=lambda one: one.since)


def _level(kind: str, state: int | None) -> str:
    if not state:
        return ""
    return _STATES.get(state, "unknown") if kind == "threshold" else kind


def picture(every: Sequence[Alert], charts: Charts) -> Picture | None:
    """The time line: a row a level; what began in the period begins with a dot."""
    if not every:
        return None
    shown = [level for level in LEVELS if any(one.level == level for one in every)]
    height = 24 + 32 + ROW * len(shown) + (18 if charts.marks else 0)
    rows = [len(shown) - place - 0.5 for place in range(len(shown))]

    def draw(size: Size) -> Image:
        canvas = Canvas(replace(size, height=height))
        chart = charts.chart(canvas, "alerts by level", [0, *sorted(rows), len(shown)], labels=["", *shown[::-1], ""])
        for level, middle in zip(shown, rows, strict=True):
            role, thick = LEVELS[level]
            own = [one for one in every if one.level == level]
            times = [chart.wide_enough(one.since, one.until) for one in own]
            chart.spans(times, chart.height(middle - thick / 2), chart.height(middle + thick / 2), role)
            begins = [min(max(chart.x(one.since), chart.left + DOT), chart.right - DOT) for one in own if one.begun]
            canvas.fill(discs([(x, chart.height(middle)) for x in begins], DOT), "text")
        return canvas.image()

    told = ", ".join(f"{sum(one.level == level for one in every)} {level}" for level in shown)
    return Picture(
        "alerts",
        "Alerts",
        f"{words.counted(len(every), 'alert')}: {told}.",
        "A dot is where an alert began, a bar how long it lasted.",
        draw(NARROW),
        draw(WIDE),
    )


def table(every: Sequence[Alert]) -> Table:
    """How many there were by level, and for how long."""
    return Table("Alerts by level", ("Level", "Alerts", "In all", "Longest"), list(_rows(every)))


def _rows(every: Sequence[Alert]) -> Iterator[tuple[Cell, ...]]:
    for level in LEVELS:
        seconds = [one.until - one.since for one in every if one.level == level]
        if seconds:
            yield (
                Cell(level),
                Cell(words.count(len(seconds)), value=len(seconds)),
                Cell(words.duration(sum(seconds)), value=sum(seconds)),
                Cell(words.duration(max(seconds)), value=max(seconds)),
            )
