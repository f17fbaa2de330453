"""From stored points to frames: counters become rates, gaps stay gaps, and long periods become blocks to draw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

import numpy as np
import pandas as pd

from tcptide.model import Point
from tcptide.series import COUNTERS, NAMES
from tcptide.trends import GAP_INTERVALS

MOST_BLOCKS = 600  # a picture's width has room for about so many
BLOCK_SECONDS = tuple(60 * minutes for minutes in (3, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440))


@dataclass(frozen=True)
class Stretch:
    """A part of the period, in wall clock seconds."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.until - self.since


@dataclass(frozen=True)
class Restart:
    """Where counters began anew, so that no rate reaches across."""

    wall_seconds: float  # of the first point after it
    kind: str  # 'boot', 'namespace' or 'counters'


@dataclass(frozen=True)
class History:
    """The points of a period as one table."""

    since: float
    until: float
    values: pd.DataFrame  # index: wall clock seconds, ascending; a column a Series, counters as per-second rates
    increase: Mapping[str, float | None]  # by counter: how much was counted, in gaps too; what a restart hid is not
    never: tuple[str, ...]  # series without a value in any point
    spacing_seconds: float  # the usual distance between two points
    gaps: tuple[Stretch, ...]
    restarts: tuple[Restart, ...]

    @property
    def coverage(self) -> float | None:
        """The share of the period, 0 to 1, that lies outside of gaps; None for a period without length."""
        whole = self.until - self.since
        return 1 - sum(gap.seconds for gap in self.gaps) / whole if whole > 0 else None

    def seconds_above(self, name: str, limit: float) -> float:
        """About how long a series was above a limit."""
        return float((self.values[name] > limit).sum() * self.spacing_seconds)


@dataclass(frozen=True)
class Blocks:
    """A history as a row of blocks in time: one a point, or a mean and a maximum of many."""

    edges: np.ndarray  # wall clock seconds; one more than there are blocks
    mean: pd.DataFrame  # a row a block; NaN where nothing was seen
    highest: pd.DataFrame
    seconds: float | None  # of one block; None: a block is a point


def history(points: Sequence[Point], since: float, until: float, interval_seconds: float) -> History:
    """The table of the points, which come in the order in which they were stored."""
    wall = np.array([point.wall_seconds for point in points])
    in_order = itemgetter(*NAMES)
    table = np.array([in_order(point.values) for point in points], dtype=float)  # None becomes NaN
    values = pd.DataFrame(table, columns=list(NAMES))
    never = tuple(values.columns[values.isna().all()])
    counters = list(COUNTERS)
    boottime = pd.Series([point.boottime_seconds for point in points], dtype=float)
    elapsed = boottime.diff()
    restarts = tuple(_restarts(points, values[counters]))
    together = ~pd.Series(wall).isin([restart.wall_seconds for restart in restarts]) & (elapsed > 0)
    increments = values[counters].diff().where(together, axis=0)
    increments = increments.where(increments >= 0)

    distances = np.sort(np.diff(np.sort(wall)))
    usual = float(distances[(len(distances) - 1) // 2]) if len(distances) else 0.0
    spacing = max(interval_seconds, usual)
    limit = GAP_INTERVALS * spacing
    values[counters] = increments.div(elapsed, axis=0).where(elapsed <= limit, axis=0)
    values.index = pd.Index(wall, name="wall_seconds")
    values = values.sort_index(kind="stable")
    walls = [since, *values.index, until]
    gaps = tuple(Stretch(left, right) for left, right in pairwise(walls) if right - left > limit)
    totals = increments.sum(min_count=1)
    increase = {name: None if np.isnan(totals[name]) else float(totals[name]) for name in counters}
    return History(since, until, values, increase, never, spacing, gaps, restarts)


def _restarts(points: Sequence[Point], counters: pd.DataFrame) -> Iterator[Restart]:
    fell = (counters.diff() < 0).any(axis=1)
    for before, point, counters_fell in zip(points, points[1:], fell.iloc[1:], strict=False):
        if point.boot_id != before.boot_id:
            yield Restart(point.wall_seconds, "boot")
        elif point.netns_cookie != before.netns_cookie:
            yield Restart(point.wall_seconds, "namespace")
        elif counters_fell:
            yield Restart(point.wall_seconds, "counters")


def blocks(history: History) -> Blocks:
    """What to draw: the points themselves while a picture has room for them, else equal blocks of at least three."""
    if len(history.values) <= MOST_BLOCKS:
        return _points_as_blocks(history)
    whole = history.until - history.since
    wanted = max(whole / MOST_BLOCKS, GAP_INTERVALS * history.spacing_seconds)
    seconds = next((seconds for seconds in BLOCK_SECONDS if seconds >= wanted), wanted)
    begin = history.since // seconds * seconds
    edges = np.arange(begin, history.until + seconds, seconds)
    number = ((history.values.index.to_numpy() - begin) // seconds).astype(int)
    grouped = history.values.groupby(number)
    rows = range(len(edges) - 1)
    return Blocks(edges, grouped.mean().reindex(rows), grouped.max().reindex(rows), seconds)


def _points_as_blocks(history: History) -> Blocks:
    """Each point reaches half-way to its neighbours; at a gap, half of the usual distance, and then nothing."""
    half = history.spacing_seconds / 2
    wall = history.values.index.to_numpy()
    edges, rows = [wall[0] - half], []
    for number, (left, right) in enumerate(zip(wall, [*wall[1:], np.inf], strict=True)):
        rows.append(number)
        if right - left <= GAP_INTERVALS * history.spacing_seconds:
            edges.append((left + right) / 2)
        elif right == np.inf:
            edges.append(left + half)
        else:
            edges += [left + half, right - half]
            rows.append(-1)
    empty = pd.DataFrame(np.nan, index=[-1], columns=history.values.columns)
    numbered = pd.concat([history.values.reset_index(drop=True), empty])
    drawn = numbered.loc[rows].reset_index(drop=True)
    return Blocks(np.array(edges), drawn, drawn, None)
