"""A chart: axes with units upon a canvas, a time axis in the report's zone, gaps that are shown as gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

import numpy as np
from matplotlib.path import Path

from . import times, words
from .canvas import FONT_PIXELS, RIGHT, Canvas, Dashes, discs, polygon, together, wedges
from .frames import Blocks, History
from .outlines import width

FEW_POINTS = 40  # up to here every point is marked
SMALL = FONT_PIXELS - 1
ROW = 17  # CSS pixels of a row of the legend
BOTTOM = 24
SWATCH = 15
RESTARTS = {"boot": "reboot", "namespace": "new namespace"}


class Box(NamedTuple):
    """A part of a canvas, in CSS pixels."""

    left: float
    bottom: float
    right: float
    top: float


class Key(NamedTuple):
    """An entry of the legend: a surface, a line with its dashes (none: solid), or a flag."""

    label: str
    role: str
    shape: str = "line"
    dashes: Dashes = ()
    width: float = 1.6


@dataclass(frozen=True)
class Frame:
    """What the charts of a report have in common."""

    history: History
    blocks: Blocks
    zone: tzinfo
    simulated: bool
    until: float = 0.0  # how far the time axis goes beyond the history


class Axes:
    """Heights from 0 to the last of `marks`, over whatever is across."""

    def __init__(
        self,
        canvas: Canvas,
        box: Box | None,
        *,
        unit: str,
        marks: Sequence[float],
        keys: Sequence[Key] = (),
        simulated: bool,
        lane: int = 0,
        labels: Sequence[str] | None = None,
        title: str = "",
        indent: float = 0.0,
    ) -> None:
        """lane: CSS pixels over the axes for what is drawn there. labels: of the marks, if not their numbers.

        indent: the room that labels have at least, for charts below each other.
        """
        self.canvas = canvas
        whole = box or Box(0, 0, canvas.size.width, canvas.size.height)
        texts = [words.count(mark) for mark in marks] if labels is None else list(labels)
        top = whole.top - 4
        if title:
            canvas.words(whole.left + 6, top, title, "text", size=FONT_PIXELS + 2, up="top", bold=True)
            top -= ROW + 5
        rows = self._legend(keys, whole.left + 6, whole.right - RIGHT, top)
        above = top - ROW * rows - 13
        canvas.words(whole.left + 6, above, unit)
        if simulated:
            canvas.words(whole.right - RIGHT, above, "SIMULATED", "close_wait", across="right", bold=True)
        self.indent = max(indent, *(width(text, FONT_PIXELS) for text in texts))
        self.left = whole.left + 11 + self.indent
        self.right, self.bottom, self.top = whole.right - RIGHT, whole.bottom + BOTTOM, above - lane - 11
        self.highest = marks[-1] * 1.01
        self._marks = list(zip(marks, texts, strict=True))

    def grid(self) -> None:
        """The lines and numbers of the heights; over what is the ground of the chart."""
        heights = [self.height(mark) for mark, _ in self._marks]
        self.canvas.stroke(together([Path([(self.left, y), (self.right, y)]) for y in heights]), "grid")
        for height, (_, text) in zip(heights, self._marks, strict=True):
            self.canvas.words(self.left - 5, height, text, across="right", up="middle")

    def height(self, value: float) -> float:
        """Where a value is."""
        return self.bottom + (self.top - self.bottom) * value / self.highest

    def heights(self, values: np.ndarray) -> np.ndarray:
        """Where values are; those beyond the axes at their ends."""
        return np.asarray(
            self.bottom + (self.top - self.bottom) * np.clip(values, 0, self.highest) / self.highest, dtype=float
        )

    def _legend(self, keys: Sequence[Key], left: float, right: float, top: float) -> int:
        """How many rows it takes."""
        row, x = 0, left
        for key in keys:
            long = SWATCH + 6 + width(key.label, FONT_PIXELS)
            if x > left and x + long > right:
                row, x = row + 1, left
            middle = top - ROW * row - ROW / 2 + 2
            self._swatch(key, x, middle)
            self.canvas.words(x + SWATCH + 6, middle, key.label, "text", up="middle")
            x += long + 14
        return row + 1 if keys else 0

    def _swatch(self, key: Key, left: float, middle: float) -> None:
        if key.shape == "area":
            self.canvas.box(left, middle - 5, left + SWATCH, middle + 5, key.role)
        elif key.shape == "flag":
            self.canvas.fill(wedges([(left + SWATCH / 2, middle)], 3.5), key.role)
        else:
            self.canvas.line((left, middle), (left + SWATCH, middle), key.role, key.width, key.dashes)


class TimeChart(Axes):
    """Numbers over time, drawn as steps: every block stands for exactly its own stretch of time."""

    def __init__(
        self,
        canvas: Canvas,
        frame: Frame,
        *,
        unit: str,
        marks: Sequence[float],
        box: Box | None = None,
        keys: Sequence[Key] = (),
        lane: int = 0,
        labels: Sequence[str] | None = None,
        title: str = "",
        bands: Sequence[tuple[float, float]] = (),
        indent: float = 0.0,
    ) -> None:
        """bands: stretches of time that are marked."""
        super().__init__(
            *(canvas, box),
            unit=unit,
            marks=marks,
            keys=keys,
            simulated=frame.simulated,
            lane=lane,
            labels=labels,
            title=title,
            indent=indent,
        )
        history, blocks = frame.history, frame.blocks
        self._blocks = blocks
        self.range = (min(history.since, blocks.edges[0]), max(history.until, blocks.edges[-1], frame.until))
        self.pixels_per_second = (self.right - self.left) / (self.range[1] - self.range[0])
        self._edges = self.left + (blocks.edges - self.range[0]) * self.pixels_per_second
        self.spans([self.wide_enough(since, until) for since, until in bands], self.bottom, self.top, "band")
        self._gaps(history)
        self.grid()
        canvas.line((self.left, self.bottom), (self.right, self.bottom), "muted")
        most = max(2, round(canvas.size.ticks * (self.right - self.left) / canvas.size.width))
        ticks = [
            (self.x(wall), text) for wall, text in times.ticks(*self.range, frame.zone, min(most, len(blocks.mean) + 1))
        ]
        canvas.stroke(together([Path([(x, self.bottom), (x, self.bottom - 4)]) for x, _ in ticks]), "muted")
        for x, text in ticks:
            half = width(text, FONT_PIXELS) / 2
            if x + half < self.right + RIGHT:
                canvas.words(max(x, half + 2), self.bottom - 7, text, across="center", up="top")
        self._restarts(history)

    def x(self, wall: float) -> float:
        """Where a moment is."""
        return float(self.left + (wall - self.range[0]) * self.pixels_per_second)

    def _gaps(self, history: History) -> None:
        self.spans([(gap.since, gap.until) for gap in history.gaps], self.bottom, self.top, "gap")
        for gap in history.gaps:
            if gap.seconds * self.pixels_per_second > 90:
                self.note((gap.since + gap.until) / 2, 0.5, "no samples")

    def _restarts(self, history: History) -> None:
        for restart in history.restarts:
            self.moment(restart.wall_seconds, (2, 3))
            self.note(restart.wall_seconds, 0.94, RESTARTS.get(restart.kind, "restart"))

    def spans(self, every: Sequence[tuple[float, float]], low: float, high: float, role: str) -> None:
        """Stretches of time as surfaces, from one height of the canvas to another."""
        self.canvas.boxes([(self.x(since), low, self.x(until), high) for since, until in every], role)

    def wide_enough(self, since: float, until: float) -> tuple[float, float]:
        """The stretch, or one around it of two pixels; within the axes."""
        widen = max(0.0, 2 / self.pixels_per_second - (until - since)) / 2
        return max(self.range[0], since - widen), min(self.range[1], until + widen)

    def moment(self, wall: float, dashes: Dashes = ()) -> None:
        """A line upright."""
        x = self.x(wall)
        self.canvas.line((x, self.bottom), (x, self.top), "muted", dashes=dashes)

    def note(self, wall: float, share: float, text: str) -> None:
        """Words inside the axes, at a share of their height, kept from running over their ends."""
        half = width(text, SMALL) / 2 + 2
        x = min(max(self.x(wall), self.left + half), self.right - half)
        height = self.bottom + share * (self.top - self.bottom)
        self.canvas.words(x, height, text, size=SMALL, across="center", up="middle", backed=True)

    def area(self, values: np.ndarray, role: str, base: np.ndarray | float = 0.0) -> None:
        """A filled surface between two heights."""
        upper, lower = self.heights(values), self.heights(np.broadcast_to(base, values.shape))
        parts = []
        for begin, end in _runs(values):
            edges = np.repeat(self._edges[begin : end + 1], 2)[1:-1]
            there = np.column_stack([edges, np.repeat(upper[begin:end], 2)])
            back = np.column_stack([edges, np.repeat(lower[begin:end], 2)])
            parts.append(polygon(np.concatenate([there, back[::-1]])))
        self.canvas.fill(together(parts), role)

    def line(self, values: np.ndarray, key: Key) -> None:
        """A line of steps, as its key in the legend; few points get a mark each."""
        heights, parts = self.heights(values), []
        for begin, end in _runs(values):
            edges = np.repeat(self._edges[begin : end + 1], 2)[1:-1]
            parts.append(Path(np.column_stack([edges, np.repeat(heights[begin:end], 2)])))
        self.canvas.stroke(together(parts), key.role, key.width, key.dashes)
        self.marks(values, key.role)

    def marks(self, values: np.ndarray, role: str) -> None:
        """A dot for each value, as long as they are few."""
        seen = np.isfinite(values)
        if seen.sum() <= FEW_POINTS:
            self.canvas.fill(discs(list(zip(self._middles[seen], self.heights(values)[seen], strict=True)), 3), role)

    def flags(self, where: np.ndarray, role: str) -> None:
        """A mark at the top of the axes over each block where something happened."""
        self.canvas.fill(wedges([(x, self.top - 5) for x in self._middles[where]], 3.5), role)

    @property
    def _middles(self) -> np.ndarray:
        return np.asarray((self._edges[:-1] + self._edges[1:]) / 2)

    def level(self, value: float, label: str = "", role: str = "close_wait") -> None:
        """A limit: a dashed line, with a name if the axis does not say enough."""
        height = self.height(value)
        self.canvas.line((self.left, height), (self.right, height), role, dashes=(5, 3))
        if label:
            self.canvas.words(self.right - 2, height + 3, label, role, size=SMALL, across="right")


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch without a NaN."""
    seen = np.concatenate([[False], np.isfinite(values), [False]])
    turns = np.flatnonzero(seen[1:] != seen[:-1])
    yield from zip(turns[::2], turns[1::2], strict=True)


def marks(top: float) -> list[float]:
    """Round numbers from 0 to just over `top`, at most six."""
    if top <= 0:
        return [0, 1]
    raw = top / 4
    unit = 10.0 ** np.floor(np.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
    return [float(step * number) for number in range(int(np.ceil(top / step - 1e-9)) + 1)]


def bars(
    canvas: Canvas, box: Box | None, rows: Sequence[tuple[str, float, str]], unit: str, *, simulated: bool
) -> None:
    """Numbers by name and colour, a horizontal bar each, the first on top: for what has no course over time."""
    whole = box or Box(0, 0, canvas.size.width, canvas.size.height)
    canvas.words(whole.left + 6, whole.top - 17, unit)
    if simulated:
        canvas.words(whole.right - RIGHT, whole.top - 17, "SIMULATED", "close_wait", across="right", bold=True)
    left = whole.left + 14 + max(width(name, FONT_PIXELS) for name, _, _ in rows)
    numbers = [words.count(value) for _, value, _ in rows]
    longest = whole.right - RIGHT - 6 - max(width(number, FONT_PIXELS) for number in numbers) - left
    most = max(1.0, *(value for _, value, _ in rows))
    each = (whole.top - 28 - whole.bottom - 8) / len(rows)
    for place, ((name, value, role), number) in enumerate(zip(rows, numbers, strict=True)):
        middle = whole.top - 28 - each * (place + 0.5)
        end = left + longest * value / most
        canvas.words(left - 6, middle, name, across="right", up="middle")
        canvas.box(left, middle - each * 0.31, end, middle + each * 0.31, role)
        canvas.words(end + 4, middle, number, "text", up="middle")
