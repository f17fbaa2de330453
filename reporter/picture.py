"""A picture with its words, and what a line in one is."""

from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import Image


@dataclass(frozen=True)
class Picture:
    """A picture with the words that belong to it."""

    name: str
    title: str
    finding: str  # what is to be seen in it, in one sentence
    how: str  # how to read it, if that isn't plain
    narrow: Image
    wide: Image | None = None
    marked: str = ""  # what its marks stand for, for who does not see them


@dataclass(frozen=True)
class Line:
    """One line of a chart, perhaps with a surface under it up to the highest of each block."""

    label: str
    name: str  # of the series
    role: str
    dashes: Sequence[float] = ()
    under: str | None = None
    factor: float = 1
