"""Words as outlines of letters, so that all words of a picture are a few paths.

matplotlib's own texts are laid out, hinted and painted letter by letter, a millisecond each: with thirty of them in a
picture that would be most of what a report costs. Pictures are shown smaller than they are, so hinting gains nothing.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font, LoadFlags

_UNITS = 100  # pixels of an em while outlines are taken

#: Heights of the font, parts of an em: from the middle of a digit to the baseline, and of a line above it.
MIDDLE = 0.365
ASCENT = 0.76


class Outline(NamedTuple):
    """A path: points, matplotlib's codes for them, and how far it goes across."""

    vertices: np.ndarray
    codes: np.ndarray
    width: float


def outline(text: str, pixels: float, bold: bool = False) -> Outline:
    """One line of text from the origin on, in a size of so many pixels. What the font lacks is an empty box."""
    scale, across = pixels / _UNITS, 0.0
    vertices, codes = [np.empty((0, 2))], [np.empty(0, dtype=np.uint8)]
    for letter in text:
        shape = _letter(letter, bold)
        vertices.append(np.add(shape.vertices * scale, (across, 0.0)))
        codes.append(shape.codes)
        across += shape.width * scale
    return Outline(np.concatenate(vertices), np.concatenate(codes), across)


def width(text: str, pixels: float, bold: bool = False) -> float:
    """How many pixels a line of text goes across."""
    return sum(_letter(letter, bold).width for letter in text) * pixels / _UNITS


def shortened(text: str, pixels: float, most: float) -> str:
    """The text, or its begin with an ellipsis where it would go further across than that."""
    if width(text, pixels) <= most:
        return text
    while text and width(f"{text}…", pixels) > most:
        text = text[:-1]
    return f"{text}…"


@cache
def _letter(letter: str, bold: bool) -> Outline:
    font = _font(bold)
    glyph = font.load_glyph(font.get_char_index(ord(letter)), flags=LoadFlags.NO_HINTING)  # 0: an empty box
    vertices, codes = font.get_path()
    return Outline(vertices, codes, glyph.linearHoriAdvance / 65536)


@cache
def _font(bold: bool) -> FT2Font:
    font = FT2Font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(_UNITS, 72)
    return font
