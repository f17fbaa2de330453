"""The colours of pictures and page, light and dark, and the PNG files that they make.

A picture is drawn once, in light colours, and brought to one fixed palette: every colour of the theme, and for those
of lines and words their blends with the surface, which is what smooth edges are made of. The dark picture is then the
same pixels with the palette of the dark theme: no second drawing, exactly the same shapes, and a third of the bytes of
a true-colour PNG.

The series are told apart without colour vision and on grey paper: neighbours in a stack differ in lightness, lines in
their dashes, and the order of a legend is the order of what it names.
"""

import io
import zlib
from collections.abc import Mapping
from types import MappingProxyType

from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

#: role -> (light, dark); the page's style sheet gets the same as custom properties
COLOURS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "surface": ("#ffffff", "#171c24"),
        "text": ("#18202b", "#e8ecf2"),
        "muted": ("#566172", "#a3aebd"),
        "grid": ("#e3e7ec", "#2c3440"),
        "gap": ("#eef0f3", "#232a34"),
        "established": ("#3676b5", "#4d94dd"),
        "time_wait": ("#f0b23c", "#f4c869"),
        "close_wait": ("#9c2b0c", "#e3623a"),
        "syn_recv": ("#79bde0", "#a8dbf3"),
        "syn_sent": ("#74489c", "#9d78cf"),
        "fin_wait": ("#96cb96", "#b4e0ad"),
        "other": ("#8b93a0", "#737d8c"),
        "tint": ("#cfe0f1", "#22405f"),
        "band": ("#f4ecd8", "#34301f"),
        "cone": ("#e9d7c9", "#4a3328"),
        "heat": ("#0b2f5c", "#b9dcff"),
    }
)

LIGHT: Mapping[str, str] = MappingProxyType({role: light for role, (light, _) in COLOURS.items()})
DARK: Mapping[str, str] = MappingProxyType({role: dark for role, (_, dark) in COLOURS.items()})

_BLENDS = 12  # steps from the surface to a colour: more than these the eye does not tell apart at an edge
_FAINT = ("grid", "gap", "tint", "band", "cone")  # so near to the surface that a blend would be taken for it


def heat(share: float) -> str:
    """The light colour of a share from 0 to 1, by lightness alone: one of the blends of the palette."""
    step = min(_BLENDS, max(0, round(share * _BLENDS)))
    low, high = (bytes.fromhex(LIGHT[role][1:]) for role in ("surface", "heat"))
    return f"#{_blend(low, high, step).hex()}"


def _blend(low: bytes, high: bytes, step: int) -> bytes:
    return bytes(round(a + (b - a) * step / _BLENDS) for a, b in zip(low, high, strict=True))


def palette(theme: Mapping[str, str]) -> bytes:
    """The theme's colours, then the blends, as the RGB bytes of a PNG palette."""
    colours = {role: bytes.fromhex(colour[1:]) for role, colour in theme.items()}
    blends = [
        _blend(colours["surface"], colour, step)
        for role, colour in colours.items()
        if role != "surface" and role not in _FAINT
        for step in range(1, _BLENDS)
    ]
    return b"".join([*colours.values(), *blends])


def png(canvas: FigureCanvasAgg, dots_per_inch: int | None = None) -> tuple[bytes, bytes]:
    """The drawn picture as PNG files for light and for dark surroundings."""
    canvas.draw()  # type: ignore[no-untyped-call]
    size = canvas.get_width_height()
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    drawn = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1).convert("RGB")
    colours = Image.new("P", (1, 1))
    colours.putpalette(palette(LIGHT))
    file = io.BytesIO()
    size_on_paper = {"dpi": (dots_per_inch, dots_per_inch)} if dots_per_inch else {}
    drawn.quantize(palette=colours, dither=Image.Dither.NONE).save(file, "PNG", compress_level=4, **size_on_paper)
    light = file.getvalue()
    return light, _repainted(light, palette(DARK))


def _repainted(file: bytes, colours: bytes) -> bytes:
    """A PNG file with other colours in its palette: nothing else of it need be written anew."""
    at = file.index(b"PLTE")
    length = int.from_bytes(file[at - 4 : at])
    chunk = b"PLTE" + colours[:length]
    return file[:at] + chunk + zlib.crc32(chunk).to_bytes(4) + file[at + 8 + length :]
