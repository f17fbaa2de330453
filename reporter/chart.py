"""One drawing: axes with units, a time axis in the report's zone, gaps that are shown as gaps, and its PNG files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from . import times, words
from .frames import Blocks, History
from .palette import LIGHT, png

FONT_PIXELS = 12
RIGHT = 12  # CSS pixels beside the axes
FEW_POINTS = 40  # up to here every point is marked


@dataclass(frozen=True)
class Size:
    """A picture's size on the page, in CSS pixels, and how many of its own pixels it has for each."""

    width: int
    height: int
    scale: float
    ticks: int  # most on the time axis


NARROW = Size(400, 240, 2.4, 5)
WIDE = Size(1040, 330, 1.7, 14)


@dataclass(frozen=True)
class Image:
    """The same picture for light and for dark surroundings."""

    light: bytes
    dark: bytes
    width: int
    height: int


class Canvas:
    """An empty figure in CSS pixels, that becomes an Image."""

    def __init__(self, size: Size, left: int, top: int, bottom: int = 24, right: int = RIGHT) -> None:
        self.size, self.top = size, top
        self.figure = Figure(
            figsize=(size.width / 96, size.height / 96), dpi=96 * size.scale, facecolor=LIGHT["surface"]
        )
        self._canvas = FigureCanvasAgg(self.figure)
        self.width = width = size.width - left - right
        self.height = height = size.height - top - bottom
        self.axes: Axes = self.figure.add_axes(
            (left / size.width, bottom / size.height, width / size.width, height / size.height),
            facecolor=LIGHT["surface"],
        )
        self.axes.spines[["left", "right", "top"]].set_visible(False)
        self.axes.spines["bottom"].set_color(LIGHT["muted"])
        self.axes.tick_params(length=0, pad=5, labelsize=points(FONT_PIXELS), labelcolor=LIGHT["muted"])
        self.axes.set_axisbelow(True)

    def text(self, x: float, y: float, text: str, role: str = "muted", **how: Any) -> None:
        """Words at CSS pixels from the lower left corner; nothing in them is markup."""
        where = (x / self.size.width, y / self.size.height)
        self.figure.text(*where, text, color=LIGHT[role], fontsize=points(FONT_PIXELS), parse_math=False, **how)

    def heading(self, unit: str, simulated: bool, lane: int = 0) -> None:
        """The line above the axes: the unit, and SIMULATED on the picture's face, since it can leave its page.

        lane: CSS pixels to leave free between.
        """
        above = self.size.height - self.top + lane + 14
        self.text(6, above, unit)
        if simulated:
            self.text(self.size.width - RIGHT, above, "SIMULATED", "close_wait", ha="right", weight="bold")

    def image(self) -> Image:
        """Draw it."""
        light, dark = png(self._canvas)
        width, height = self._canvas.get_width_height()
        return Image(light, dark, width, height)


def points(pixels: float) -> float:
    """CSS pixels as the points that matplotlib counts fonts in."""
    return pixels * 72 / 96


class TimeChart:
    """Numbers over time, with room for so many rows of legend above.

    Values are drawn as steps: every block stands for exactly its own stretch of time.
    """

    def __init__(
        self,
        size: Size,
        history: History,
        blocks: Blocks,
        zone: tzinfo,
        *,
        unit: str,
        marks: Sequence[float],
        rows: int,
        simulated: bool,
        lane: int = 0,
        until: float = 0.0,
    ) -> None:
        """lane: CSS pixels over the axes for what is drawn there. until: how far the axis goes beyond the history."""
        self._blocks, self._size, self._zone = blocks, size, zone
        labels = [words.count(mark) for mark in marks]
        self._canvas = Canvas(size, left=14 + 7 * max(map(len, labels)), top=32 + 17 * rows + lane)
        self.axes = axes = self._canvas.axes
        self.height = self._canvas.height  # of the axes, CSS pixels
        self.range = (min(history.since, blocks.edges[0]), max(history.until, blocks.edges[-1], until))
        self.pixels_per_second = self._canvas.width / (self.range[1] - self.range[0])
        axes.set_xlim(*self.range)
        axes.set_ylim(0, marks[-1] * 1.01)
        axes.set_yticks(marks, labels)
        axes.grid(axis="y", color=LIGHT["grid"], linewidth=points(1))
        ticks = self._ticks(min(size.ticks, len(blocks.mean) + 1))
        axes.set_xticks([wall for wall, _ in ticks], [label for _, label in ticks])
        axes.tick_params(axis="x", length=points(4), color=LIGHT["muted"])
        self._canvas.heading(unit, simulated, lane)
        self._gaps(history)
        self._restarts(history)

    def _ticks(self, most: int) -> list[tuple[float, str]]:
        """Without those at the right end whose label would be cut."""
        begin, end = self.range
        pixels = self.pixels_per_second
        ticks = times.ticks(begin, end, self._zone, most)
        return [(wall, text) for wall, text in ticks if (end - wall) * pixels + RIGHT >= 3.6 * len(text)]

    def _gaps(self, history: History) -> None:
        whole = self.range[1] - self.range[0]
        for gap in history.gaps:
            self.axes.axvspan(gap.since, gap.until, color=LIGHT["gap"], linewidth=0, zorder=0.5)
            if gap.seconds / whole * self._size.width > 90:
                self._note((gap.since + gap.until) / 2, 0.5, "no samples")

    def _restarts(self, history: History) -> None:
        for restart in history.restarts:
            self.axes.axvline(restart.wall_seconds, color=LIGHT["muted"], linewidth=points(1), linestyle=(0, (2, 3)))
            label = {"boot": "reboot", "namespace": "new namespace"}.get(restart.kind, "restart")
            self._note(restart.wall_seconds, 0.94, label)

    def _note(self, wall: float, height: float, text: str) -> None:
        """Words inside the axes, kept from running over its ends."""
        across = (wall - self.range[0]) / (self.range[1] - self.range[0])
        side = "left" if across < 0.15 else "right" if across > 0.85 else "center"
        self.axes.text(
            *(wall, height, text),
            transform=self.axes.get_xaxis_transform(),
            color=LIGHT["muted"],
            fontsize=points(FONT_PIXELS - 1),
            ha=side,
            va="center",
            parse_math=False,
            bbox={"facecolor": LIGHT["surface"], "linewidth": 0, "alpha": 0.85, "pad": 1.5},
        )

    def area(self, values: np.ndarray, role: str, label: str | None = None, base: np.ndarray | float = 0) -> None:
        """A filled surface between two heights."""
        self._stairs(values, base, fill=True, facecolor=LIGHT[role], linewidth=0, label=label)

    def line(self, values: np.ndarray, role: str, label: str, dashes: Sequence[float] = (), width: float = 1.6) -> None:
        """A line of steps; few points get a mark each."""
        style = (0, tuple(dashes)) if dashes else "solid"
        look = {"edgecolor": LIGHT[role], "linewidth": points(width), "linestyle": style, "zorder": 2.5}
        self._stairs(values, None, fill=False, label=label, **look)
        self.marks(values, role)

    def marks(self, values: np.ndarray, role: str) -> None:
        """A dot for each value, as long as they are few."""
        if np.isfinite(values).sum() <= FEW_POINTS:
            self._scatter(values, role, "o")

    def flags(self, where: np.ndarray, label: str, role: str = "close_wait") -> None:
        """A mark at the top of the axes over each block where something happened."""
        if where.any():
            self._scatter(np.where(where, self.axes.get_ylim()[1] * 0.97, np.nan), role, "v", label)

    def _scatter(self, values: np.ndarray, role: str, marker: str, label: str | None = None) -> None:
        middles = (self._blocks.edges[:-1] + self._blocks.edges[1:]) / 2
        size = points(6) ** 2
        self.axes.scatter(middles, values, size, LIGHT[role], marker=marker, linewidths=0, zorder=3, label=label)

    def _stairs(self, values: np.ndarray, base: np.ndarray | float | None, **style: Any) -> None:
        """Axes.stairs() would look for the ends of the axes in each step, at several times the cost of drawing."""
        patch = StepPatch(values, self._blocks.edges, baseline=base, joinstyle="round", **style)  # type: ignore[arg-type]
        self.axes.add_artist(patch)

    def level(self, height: float, label: str = "", role: str = "close_wait") -> None:
        """A limit: a dashed line, with a name if the axis does not say enough."""
        self.axes.axhline(height, color=LIGHT[role], linewidth=points(1), linestyle=(0, (5, 3)), zorder=2)
        self.axes.text(
            *(0.995, height, label),
            transform=self.axes.get_yaxis_transform(),
            color=LIGHT[role],
            fontsize=points(FONT_PIXELS - 1),
            ha="right",
            va="bottom",
            parse_math=False,
        )

    def image(self, columns: int) -> Image:
        """The finished picture, with a legend of so many columns above the axes if anything has a name."""
        handles, labels = self.axes.get_legend_handles_labels()
        if labels:
            self._canvas.figure.legend(
                *(handles, labels),
                loc="upper left",
                bbox_to_anchor=(0, 1),
                ncols=columns,
                frameon=False,
                fontsize=points(FONT_PIXELS),
                labelcolor=LIGHT["text"],
                handlelength=1.3,
                handleheight=0.8,
                handletextpad=0.5,
                columnspacing=1.2,
                borderaxespad=0.3,
            )
        return self._canvas.image()


def marks(top: float) -> list[float]:
    """Round numbers from 0 to just over `top`, at most six."""
    if top <= 0:
        return [0, 1]
    raw = top / 4
    unit = 10.0 ** np.floor(np.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
    return [float(step * number) for number in range(int(np.ceil(top / step - 1e-9)) + 1)]


def bars(rows: Sequence[tuple[str, float, str]], unit: str, *, simulated: bool) -> Image:
    """Numbers by name and colour, a horizontal bar each, the first on top: for what has no course over time yet."""
    size = replace(NARROW, height=44 + 26 * len(rows))
    canvas = Canvas(size, left=16 + 8 * max(len(name) for name, _, _ in rows), top=32, bottom=12, right=60)
    axes = canvas.axes
    names, values, roles = zip(*rows, strict=True)
    drawn = axes.barh(range(len(rows)), values, height=0.62, color=[LIGHT[role] for role in roles])
    axes.bar_label(
        drawn, [words.count(value) for value in values], padding=4, fontsize=points(FONT_PIXELS), color=LIGHT["text"]
    )
    axes.set_yticks(range(len(rows)), names)
    axes.set_xticks([])
    axes.set_xlim(0, max(*values, 1))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["bottom"].set_visible(False)
    canvas.heading(unit, simulated)
    return canvas.image()
