"""What the pictures over time have in common: a chart with marks, lines in it, and how a number is said of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import lane, words
from .ahead import Ahead
from .canvas import NARROW, Canvas
from .chart import Box, Frame, Key, TimeChart, marks
from .compare import Before
from .figures import Measured
from .lane import Mark
from .limits import Limits
from .picture import Line, Picture


@dataclass(frozen=True)
class Charts:
    """What all pictures of a report have in common."""

    frame: Frame
    limits: Limits
    now: str  # what the last numbers are called
    marks: Sequence[Mark] = ()  # what went wrong when, by its number in the list
    marked: str = ""  # the same in words
    ahead: Ahead | None = None  # of the destination that is fullest now
    destinations: Sequence[tuple[str, np.ndarray]] = ()  # percent of the ports by block, the fullest first
    before: Before | None = None  # the period that this one is compared with

    @property
    def resolution(self) -> str:
        """What a step of a line stands for, and a surface."""
        if self.frame.blocks.seconds is None:
            if self.frame.history.rollups_until is None:
                return "Each step is one sample."
            each = "one sample, or the mean of a quarter of an hour"
        else:
            each = f"the mean of {words.duration(self.frame.blocks.seconds)}"
        return f"Each step is {each}; a surface under a line reaches to the highest value in it."

    def lines(
        self,
        names: tuple[str, str, str],
        lines: Sequence[Line],
        finding: str,
        how: str,
        limits: Sequence[float] = (),
        axis: Sequence[float] | None = None,
        flags: str | None = None,
        ahead: Ahead | None = None,
    ) -> Picture | None:
        """A picture of lines; None where nothing was seen of any.

        names: the picture's, its title and unit. limits: dashed lines across. flags: a series whose blocks over zero
        are marked.
        """
        name, title, unit = names
        history, mean, highest = self.frame.history, self.frame.blocks.mean, self.frame.blocks.highest
        if history.values[[line.name for line in lines]].isna().all(axis=None):
            return None
        if axis is None:
            axis = marks(float(np.nanmax([0, *(highest[line.name].max() * line.factor for line in lines)])))
        cone = ahead.cone if ahead else ()
        flagged = highest[flags].to_numpy() > 0 if flags else np.zeros(0, dtype=bool)
        keys = [Key(line.label, line.role, dashes=line.dashes) for line in lines]
        also = [lane.FORECAST] * bool(cone) + [Key("overflows", "close_wait", "flag")] * bool(flagged.any())
        canvas = Canvas(NARROW)
        ends = lane.end(cone, history.since, history.last)
        chart = self.chart(canvas, unit, axis, [*keys, *also], until=ends)
        for line in lines:
            if line.under:
                chart.area(highest[line.name].to_numpy() * line.factor, line.under)
        for line, key in zip(lines, keys, strict=True):
            chart.line(mean[line.name].to_numpy() * line.factor, key)
        for limit in limits:
            chart.level(limit)
        if cone:
            lane.draw_cone(chart, cone, history.last)
        if flagged.any():
            chart.flags(flagged, "close_wait")
        return Picture(name, title, finding, how, canvas.image())

    def chart(
        self,
        canvas: Canvas,
        unit: str,
        axis: Sequence[float],
        keys: Sequence[Key] = (),
        *,
        box: Box | None = None,
        until: float = 0.0,
        numbered: bool = True,
        labels: Sequence[str] | None = None,
        indent: float = 0.0,
    ) -> TimeChart:
        """A chart with the marks of what went wrong."""
        high = lane.HEIGHT if self.marks and numbered else 0
        frame = replace(self.frame, until=until)
        chart = TimeChart(
            *(canvas, frame),
            unit=unit,
            marks=axis,
            box=box,
            keys=keys,
            lane=high,
            labels=labels,
            indent=indent,
            bands=[(one.since, one.until) for one in self.marks],
        )
        if high:
            lane.numbers(chart, self.marks)
        return chart

    def most(self, measured: Measured, label: str) -> str:
        """`3,999 CLOSE_WAIT (Sun 22 Nov 10:56)`."""
        when = "" if not measured.highest else f" ({words.stamp(measured.when or 0, self.frame.zone)})"
        return f"{words.count(measured.highest)} {label}{when}"

    def highest(self, measured: Measured, say: Callable[[float | None], str] = words.count) -> str:
        """`3,204 (Tue 18 Nov 14:03)`."""
        when = "" if not measured.highest else f" ({words.stamp(measured.when or 0, self.frame.zone)})"
        return say(measured.highest) + when
