"""One picture of a report, to print or to paste: connections, alerts, pattern and ports, from its JSON document.

What the document has of the course over time is drawn; of one that has only a saved report's few keys, the numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np
import pandas as pd

from tcptide.errors import ConfigError

from . import times, words
from .alerts import LEVELS
from .canvas import RIGHT, Canvas, Size, discs
from .chart import Box, Frame, Key, TimeChart, bars, marks
from .connections import LAYERS, THIN
from .frames import Blocks, History
from .saved import Saved, saved

DOTS_PER_INCH = 300
SIZE = Size(1000, 750, DOTS_PER_INCH / 96, 14)
HEAD = 64  # CSS pixels
MARGIN = 12
TITLE = 26

#: Colours of what the detector says; each also stands there as a word.
PATTERNS = {
    "normal": "fin_wait",
    "periodic": "fin_wait",
    "insufficient_data": "other",
    "spike": "time_wait",
    "level_shift": "time_wait",
    "slow_leak": "close_wait",
    "rapid_increase": "close_wait",
    "rapid_decrease": "close_wait",
}
ALERTS = {level: role for level, (role, _) in LEVELS.items()}


def overview(document: Mapping[str, Any]) -> bytes:
    """The PNG file, at 300 dots per inch."""
    of, canvas = saved(document), Canvas(SIZE)
    _head(canvas, document, of)
    left, right = MARGIN, SIZE.width / 2 + MARGIN / 2
    width, height = SIZE.width / 2 - 1.5 * MARGIN, (SIZE.height - HEAD - 2 * MARGIN) / 2
    low, high = MARGIN, MARGIN + height + MARGIN
    course = _Course.of(document)
    for (x, y), draw in zip(
        ((left, high), (right, high), (left, low), (right, low)), (_connections, _alerts, _pattern, _ports), strict=True
    ):
        draw(canvas, Box(x, y, x + width, y + height), document, of, course)
    return canvas.file(DOTS_PER_INCH)


class _Course:
    """The document's course over time."""

    def __init__(self, series: Mapping[str, Any], zone: tzinfo) -> None:
        self._values = {str(name): one["mean"] for name, one in series["values"].items()}
        self._highest = {str(name): one["highest"] for name, one in series["values"].items()}
        edges = np.array(series["edges"], dtype=float)
        table, highest = (pd.DataFrame(values, dtype=float) for values in (self._values, self._highest))
        if len(table) + 1 != len(edges) or not (np.diff(edges) > 0).all():
            raise ValueError("edges do not fit")
        self.mean, self.highest = table, highest
        none = np.empty(0)
        history = History(
            *(float(edges[0]), float(edges[-1]), table, highest, none, none, none, {}, (), 0.0, (), ()),
        )
        self.frame = Frame(history, Blocks(edges, table, highest, None), zone, False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "_Course | None":
        """None where the document has none, or one that can't be drawn."""
        series, period = document.get("series"), document.get("period")
        name = period.get("timezone") if isinstance(period, dict) else None
        try:
            zone = times.zone(name, {}) if isinstance(name, str) else UTC
        except ConfigError:
            zone = UTC
        if not isinstance(series, dict):
            return None
        try:
            return cls(series, zone)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            return None

    def layers(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """What is stacked: name, colour, values."""
        for name, role, members in LAYERS:
            known = [member for member in members if member in self.mean]
            if known and "total" in self.mean:
                values = self.mean[known].sum(axis=1).where(self.mean["total"].notna()).to_numpy()
                if np.nanmax(values, initial=0) > THIN * np.nanmax(self.mean["total"].to_numpy(), initial=0):
                    yield name, role, values


def _head(canvas: Canvas, document: Mapping[str, Any], of: Saved) -> None:
    top = SIZE.height - 12
    host = f"{of.hostname}{'' if of.source in ('', 'host') else f' ({of.source})'}"
    canvas.words(
        MARGIN + 6,
        top,
        f"TCP connections of {host}" if host else "TCP connections",
        "text",
        size=20,
        up="top",
        bold=True,
    )
    what = ", ".join(
        filter(None, (of.label, words.duration(of.seconds), f"{of.points:,} data points", f"made {of.made}"))
    )
    canvas.words(MARGIN + 6, top - 28, what, up="top")
    if of.simulated:
        canvas.words(
            SIZE.width - MARGIN - RIGHT, top, "SIMULATED", "close_wait", size=16, across="right", up="top", bold=True
        )


def _titled(canvas: Canvas, box: Box, title: str, said: str) -> Box:
    """The box below its title."""
    canvas.words(box.left + 6, box.top - 4, title, "text", size=14, up="top", bold=True)
    canvas.words(box.left + 6, box.top - 22, said, "muted", up="top")
    return box._replace(top=box.top - TITLE - 14)


def _connections(canvas: Canvas, box: Box, document: Mapping[str, Any], of: Saved, course: _Course | None) -> None:
    said = f"max {words.count(of.most)}, mean {words.count(of.mean)}, min {words.count(of.least)}"
    below = _titled(canvas, box, "Connections", said)
    layers = list(course.layers()) if course else []
    if course and layers:
        highest = course.highest["total"].to_numpy() if "total" in course.highest else np.zeros(1)
        keys = [Key(name, role, "area") for name, role, _ in layers] + [Key("highest", "text", width=0.9)]
        axis = marks(float(np.nanmax(highest, initial=0)))
        chart = TimeChart(canvas, course.frame, unit="connections", marks=axis, box=below, keys=keys)
        base = np.zeros(len(course.mean))
        for _, role, values in layers:
            chart.area(base + values, role, base)
            base = base + values
        chart.line(highest, keys[-1])
        return
    numbers = [
        ("max", of.most),
        ("mean", of.mean),
        ("min", of.least),
        *sorted(of.statistics.items(), key=lambda one: -one[1]),
    ]
    rows = [(name[:28], value, "established") for name, value in numbers if value is not None][:9]
    _bars(canvas, below, rows, "connections")


def _bars(canvas: Canvas, box: Box, rows: Sequence[tuple[str, float, str]], unit: str) -> None:
    if rows:
        bars(canvas, box._replace(bottom=max(box.bottom, box.top - 30 - 34 * len(rows))), rows, unit, simulated=False)


def _alerts(canvas: Canvas, box: Box, document: Mapping[str, Any], of: Saved, course: _Course | None) -> None:
    number = sum(of.alerts.values())
    below = _titled(canvas, box, "Alerts", words.counted(number, "alert") if number else "none")
    if not number:
        canvas.words((box.left + box.right) / 2, (box.bottom + below.top) / 2, "no alerts", size=18, across="center")
        return
    _bars(
        canvas,
        below,
        [(level[:20], count, ALERTS.get(level, "other")) for level, count in of.alerts.items()][:6],
        "by level",
    )
    moments = list(_moments(document))
    if course and moments:
        levels = list(of.alerts)[:6]
        part = box._replace(top=below.top - 30 - 34 * len(levels) - 16)
        if part.top - part.bottom > 90:
            rows = [place + 0.5 for place in range(len(levels))]
            axis = [0.0, *rows, float(len(levels))]
            chart = TimeChart(canvas, course.frame, unit="when", marks=axis, labels=["", *levels[::-1], ""], box=part)
            for level, height in zip(levels[::-1], rows, strict=True):
                at = [(chart.x(wall), chart.height(height)) for wall, own in moments if own == level]
                canvas.fill(
                    discs([(x, y) for x, y in at if chart.left <= x <= chart.right], 4), ALERTS.get(level, "other")
                )


def _moments(document: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    for one in document["alerts"]:
        try:
            yield datetime.fromisoformat(one["timestamp"]).timestamp(), str(one["level"]).lower()
        except (KeyError, TypeError, ValueError, OverflowError):
            continue


def _pattern(canvas: Canvas, box: Box, document: Mapping[str, Any], of: Saved, course: _Course | None) -> None:
    patterns = document["patterns"]
    below = _titled(canvas, box, "Pattern", str(patterns.get("meaning") or ""))
    role = PATTERNS.get(of.pattern, "other")
    middle = below.top - 34
    canvas.box(box.left + 6, middle - 16, box.left + 22, middle + 16, role)
    canvas.words(box.left + 32, middle, of.pattern.replace("_", " "), "text", size=24, up="middle", bold=True)
    stretches = [one for one in patterns.get("in_period") or () if isinstance(one, dict)]
    if not course or not stretches:
        return
    names = list(dict.fromkeys(str(one.get("pattern")) for one in stretches))
    rows = [place + 0.5 for place in range(len(names))]
    part = box._replace(top=middle - 36)
    labels = ["", *(name.replace("_", " ") for name in names[::-1]), ""]
    chart = TimeChart(
        canvas,
        course.frame,
        unit="patterns in the period",
        marks=[0.0, *rows, float(len(names))],
        labels=labels,
        box=part,
    )
    for name, height in zip(names[::-1], rows, strict=True):
        times = []
        for one in stretches:
            try:
                since, until = float(one["since"]["epoch"]), float(one["until"]["epoch"])
            except (KeyError, TypeError, ValueError):
                continue
            if one.get("pattern") == name:
                times.append(chart.wide_enough(since, until))
        chart.spans(times, chart.height(height - 0.3), chart.height(height + 0.3), PATTERNS.get(name, "other"))


def _ports(canvas: Canvas, box: Box, document: Mapping[str, Any], of: Saved, course: _Course | None) -> None:
    used, role = of.port_percent, "close_wait" if of.port_warned else "established"
    said = (
        "not seen"
        if used is None
        else f"{words.percent(used)} used at most" + (", over the limit" if of.port_warned else "")
    )
    below = _titled(canvas, box, "Ephemeral ports", said)
    if used is None:
        return
    top = below.top - 14
    length = box.right - RIGHT - box.left - 6
    canvas.box(box.left + 6, top - 22, box.left + 6 + length, top, "grid")
    canvas.box(box.left + 6, top - 22, box.left + 6 + length * min(100.0, max(0.0, used)) / 100, top, role)
    if course and "worst_destination" in course.mean:
        keys = [Key("fullest destination", role)]
        part = box._replace(top=top - 34)
        chart = TimeChart(canvas, course.frame, unit="percent", marks=[0, 50, 70, 85, 100], box=part, keys=keys)
        chart.area(course.highest["worst_destination"].to_numpy(), "tint")
        chart.line(course.mean["worst_destination"].to_numpy(), keys[0])
        for limit in (50, 70, 85):
            chart.level(limit)
