"""The heat map: connections by hour of the day and day of the week."""

from dataclasses import dataclass, replace
from datetime import tzinfo

import numpy as np
import pandas as pd

from . import words
from .canvas import NARROW, RIGHT, Canvas, discs
from .frames import History
from .palette import heat
from .picture import Picture

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = 24
SHORTEST_SECONDS = 2 * 86400.0  # of a period that has days to compare

#: The few hours of an incident would leave all others pale: what is above this share of the hours counts as the most.
MOST_QUANTILE = 0.97

LEFT = 38
TOP = 40
BOTTOM = 24
GAP = 1.5  # CSS pixels between cells
STEPS = 8  # of the scale


@dataclass(frozen=True)
class Heat:
    """Mean connections in each hour of each weekday, in the report's zone; NaN where there were no samples."""

    mean: np.ndarray  # 7 x 24, Monday first
    most: float  # what the darkest colour stands for

    def where(self, hottest: bool) -> tuple[int, int]:
        """Weekday and hour of the highest or lowest mean."""
        at = np.nanargmax(self.mean) if hottest else np.nanargmin(self.mean)
        return divmod(int(at), HOURS)


def heat_of(history: History, zone: tzinfo) -> Heat | None:
    """None where the period is too short to compare its days."""
    total = history.values["total"].to_numpy()
    seen = np.isfinite(total)
    if history.until - history.since < SHORTEST_SECONDS or not seen.any():
        return None
    local = pd.to_datetime(history.values.index.to_numpy()[seen], unit="s", utc=True).tz_convert(zone)
    cell = (local.day_of_week * HOURS + local.hour).to_numpy()
    weight = history.seconds[seen]
    sums, weights = (np.bincount(cell, each, len(DAYS) * HOURS) for each in (total[seen] * weight, weight))
    mean = np.where(weights > 0, sums / np.where(weights > 0, weights, 1), np.nan).reshape(len(DAYS), HOURS)
    return Heat(mean, max(1.0, float(np.nanquantile(mean, MOST_QUANTILE))))


def picture(history: History, zone: tzinfo, simulated: bool) -> Picture | None:
    """Its picture; what was not seen is left empty."""
    found = heat_of(history, zone)
    if found is None:
        return None
    canvas = Canvas(replace(NARROW, height=TOP + 7 * 22 + BOTTOM))
    _scale(canvas, found, simulated)
    width = (canvas.size.width - RIGHT - LEFT) / HOURS
    beyond: list[tuple[float, float]] = []
    cells: dict[str, list[tuple[float, float, float, float]]] = {}
    for day, name in enumerate(DAYS):
        bottom = BOTTOM + (6 - day) * 22
        canvas.words(LEFT - 6, bottom + 11, name[:3], across="right", up="middle")
        for hour, mean in enumerate(found.mean[day]):
            left = LEFT + hour * width
            colour = "gap" if np.isnan(mean) else heat(0.08 + 0.92 * min(1.0, mean / found.most))
            cells.setdefault(colour, []).append((left, bottom + GAP / 2, left + width - GAP, bottom + 22 - GAP / 2))
            if mean > 1.05 * found.most:
                beyond.append((left + (width - GAP) / 2, bottom + 11))
    for colour, boxes in cells.items():
        canvas.boxes(boxes, colour)
    canvas.fill(discs(beyond, 2.5), "surface")
    for hour in range(0, HOURS + 1, 3):
        canvas.words(LEFT + hour * width, BOTTOM - 7, f"{hour:02}", across="center", up="top")
    marked = " A dot marks hours beyond the scale." if beyond else ""
    empty = " Hours without a sample are grey." if np.isnan(found.mean).any() else ""
    return Picture(
        "heat-map",
        "Hours of the week",
        f"Busiest {_hour(found, True)}, quietest {_hour(found, False)}.",
        f"Mean connections by hour, in the report's time zone.{marked}{empty}",
        canvas.image(),
    )


def _hour(found: Heat, hottest: bool) -> str:
    day, hour = found.where(hottest)
    return f"{DAYS[day]} {hour:02}:00-{hour + 1:02}:00 ({words.counted(found.mean[day, hour], 'connection')})"


def _scale(canvas: Canvas, found: Heat, simulated: bool) -> None:
    above = canvas.size.height - 17
    canvas.words(6, above, "connections, mean")
    left = 150.0
    for step in range(STEPS + 1):
        canvas.box(left + step * 9, above - 2, left + step * 9 + 9, above + 10, heat(0.08 + 0.92 * step / STEPS))
    canvas.words(left - 5, above, "0", across="right")
    canvas.words(left + (STEPS + 1) * 9 + 5, above, words.count(round(found.most)))
    if simulated:
        canvas.words(canvas.size.width - RIGHT, above, "SIMULATED", "close_wait", across="right", bold=True)
