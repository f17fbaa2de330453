"""What pictures are drawn upon: a figure in CSS pixels, from its lower left corner, and its PNG files.

There are no matplotlib axes in it: their ticks, labels and spines are dozens of objects made anew for each picture, at
ten times the cost of all that is drawn here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from .outlines import ASCENT, MIDDLE, outline
from .palette import LIGHT, png

FONT_PIXELS = 12
RIGHT = 12  # CSS pixels beside what is drawn

Dashes = Sequence[float]


@dataclass(frozen=True)
class Size:
    """A picture's size on the page, in CSS pixels, and how many of its own pixels it has for each."""

    width: int
    height: int
    scale: float
    ticks: int  # most on the time axis


NARROW = Size(400, 240, 2.4, 5)
#: Over both columns of the page: words in it are as large as in the narrow ones beside it.
WIDE = Size(840, 280, 2.1, 11)


@dataclass(frozen=True)
class Image:
    """The same picture for light and for dark surroundings."""

    light: bytes
    dark: bytes
    width: int
    height: int


class Canvas:
    """An empty picture, that becomes an Image. What is drawn later lies above; words lie above all."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._figure = Figure(
            figsize=(size.width / 96, size.height / 96), dpi=96 * size.scale, facecolor=LIGHT["surface"]
        )
        self._canvas = FigureCanvasAgg(self._figure)
        self._pixels = Affine2D().scale(size.scale)
        self._words: dict[str, list[Path]] = defaultdict(list)  # by colour

    def fill(self, path: Path, role: str) -> None:
        """A surface, in the colour of a role or in a given one."""
        self._add(path, facecolor=LIGHT.get(role, role), linewidth=0)

    def stroke(self, path: Path, role: str, width: float = 1.0, dashes: Dashes = ()) -> None:
        """A line of so many CSS pixels; dashes and spaces in multiples of that."""
        style = (0, tuple(dashes)) if dashes else "solid"
        self._add(path, fill=False, edgecolor=LIGHT[role], linewidth=width * 0.75, linestyle=style, joinstyle="round")

    def _add(self, path: Path, **style: Any) -> None:
        if np.size(path.vertices):
            self._figure.add_artist(PathPatch(path, transform=self._pixels, **style), clip=False)

    def box(self, left: float, bottom: float, right: float, top: float, role: str) -> None:
        """A filled rectangle."""
        self.boxes([(left, bottom, right, top)], role)

    def boxes(self, every: Sequence[tuple[float, float, float, float]], role: str) -> None:
        """Filled rectangles, by their left, bottom, right and top: one path, as each costs as much as a hundred."""
        self.fill(rectangles(every), role)

    def line(
        self, begin: tuple[float, float], end: tuple[float, float], role: str, width: float = 1.0, dashes: Dashes = ()
    ) -> None:
        """A straight line."""
        self.stroke(Path([begin, end]), role, width, dashes)

    def words(
        self,
        x: float,
        y: float,
        text: str,
        role: str = "muted",
        *,
        size: float = FONT_PIXELS,
        across: str = "left",
        up: str = "baseline",
        bold: bool = False,
        backed: bool = False,
    ) -> None:
        """A line of text that begins, has its middle or ends at a point (across: left, center, right).

        up: whether the point is on its baseline, its middle or its top. backed: it covers what is below it.
        """
        shape = outline(text, size, bold)
        left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[across] * shape.width
        base = y - {"baseline": 0.0, "middle": MIDDLE, "top": ASCENT}[up] * size
        if backed:
            self.box(left - 2, base - 0.28 * size, left + shape.width + 2, base + 0.9 * size, "surface")
        if len(shape.vertices):
            self._words[role].append(Path(np.add(shape.vertices, (left, base)), shape.codes))

    def file(self, dots_per_inch: int) -> bytes:
        """Draw it as a PNG file in light colours that says how large it is on paper."""
        self._finish()
        return png(self._canvas, dots_per_inch)[0]

    def _finish(self) -> None:
        for role, paths in self._words.items():
            self.fill(Path.make_compound_path(*paths), role)

    def image(self) -> Image:
        """Draw it."""
        self._finish()
        light, dark = png(self._canvas)
        width, height = self._canvas.get_width_height()
        return Image(light, dark, width, height)


def polygon(points: Sequence[tuple[float, float]] | np.ndarray) -> Path:
    """A closed path."""
    vertices = np.asarray(points, dtype=float)
    return Path(np.concatenate([vertices, vertices[:1]]), closed=True)


def rectangles(every: Sequence[tuple[float, float, float, float]]) -> Path:
    """One path of them all, by their left, bottom, right and top."""
    left, bottom, right, top = np.array(every, dtype=float).reshape(-1, 4).T
    around = [left, bottom, right, bottom, right, top, left, top, left, bottom]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(np.column_stack(around).reshape(-1, 2), np.tile(np.array(codes, dtype=Path.code_type), len(every)))


def together(paths: Sequence[Path]) -> Path:
    """One path of several."""
    return Path.make_compound_path(*paths) if paths else Path(np.empty((0, 2)))


def discs(points: Sequence[tuple[float, float]], radius: float) -> Path:
    """A disc around each of a few points."""
    circle = Path.unit_circle()
    vertices = np.asarray(circle.vertices, dtype=float) * radius
    return together([Path(vertices + point, circle.codes) for point in points])


def wedges(points: Sequence[tuple[float, float]], half: float) -> Path:
    """A triangle that points down at each point."""
    return together([polygon([(x, y - half), (x + half, y + half), (x - half, y + half)]) for x, y in points])
