"""Numbers, times and text as the report's JSON has them."""

import json
from collections.abc import Mapping
from datetime import tzinfo
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from . import words
from .rendering import printable

DIGITS = 3  # behind the point


def written(document: Mapping[str, Any]) -> bytes:
    """The file, in UTF-8 that people can read."""
    text = json.dumps(_harmless(document), ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode()


def _harmless(value: Any) -> Any:
    """The same without characters that a terminal or an editor would act on."""
    if isinstance(value, dict):
        return {printable(key): _harmless(each) for key, each in value.items()}
    return [_harmless(each) for each in value] if isinstance(value, list | tuple) else printable(value)


def number(value: float | None) -> float | int | None:
    """None for what was not seen; whole numbers without a point."""
    if value is None or not isfinite(value):
        return None
    rounded = round(float(value), DIGITS)
    return int(rounded) if rounded.is_integer() else rounded


def numbers(values: pd.Series | np.ndarray) -> list[float | int | None]:
    """The same of each."""
    return [number(value) for value in np.asarray(values, dtype=float).tolist()]


def time(wall: float | None, zone: tzinfo) -> dict[str, Any] | None:
    """Wall clock seconds for people of the zone and for programs."""
    return None if wall is None else {"time": words.machine_stamp(wall, zone), "epoch": number(wall)}


def stretch(since: float, until: float, zone: tzinfo) -> dict[str, Any]:
    """A part of the period."""
    return {"since": time(since, zone), "until": time(until, zone), "seconds": number(until - since)}
