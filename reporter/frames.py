"""From stored points to frames: counters become rates, gaps stay gaps, and long periods become blocks to draw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from types import MappingProxyType

import numpy as np
import pandas as pd

from tcptide.model import Point, Verdict
from tcptide.schema import QUARTER_SECONDS
from tcptide.trends import GAP_INTERVALS, MAX_SECONDS

from . import quarters
from .columns import COUNTERS, NAMES
from .quarters import Quarters

MOST_BLOCKS = 600  # a picture's width has room for about so many
BLOCK_SECONDS = tuple(60 * minutes for minutes in (3, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440))


#: A column beside those of the Series: how many connections the detector expected.
EXPECTED = "expected"


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
    """The rows of a period as one table: points, and before them perhaps rollups of a quarter of an hour."""

    since: float
    until: float
    values: (
        pd.DataFrame
    )  # index: wall clock seconds, ascending; a column a Series (counters as per-second rates), and EXPECTED
    highest: pd.DataFrame  # the same of the highest in each row; for a point it is `values`
    begins: np.ndarray  # wall clock seconds of each row; of a point both are its moment
    ends: np.ndarray
    seconds: np.ndarray  # how long each row stands for
    increase: Mapping[str, float | None]  # by counter: how much was counted, between points in gaps too
    never: tuple[str, ...]  # series without a value in any row
    spacing_seconds: float  # the usual distance between two points, at least the interval
    gaps: tuple[Stretch, ...]
    restarts: tuple[Restart, ...]  # among the points: a rollup knows of none
    first: bool = False  # nothing was ever stored before the first row

    @property
    def outages(self) -> tuple[Stretch, ...]:
        """The gaps in which samples should have been taken: before the first of all there was no sampler."""
        return tuple(gap for gap in self.gaps if not self.first or gap.until > self.begins[0])

    @property
    def rollups_until(self) -> float | None:
        """Up to when the rows are rollups."""
        return max(self.ends[self.ends > self.begins], default=None)

    @property
    def last(self) -> float:
        """Wall clock seconds of the newest row: the period may go on without one."""
        return float(self.ends[-1])

    @property
    def coverage(self) -> float | None:
        """The share of the period, 0 to 1, that samples stand for; None for a period without length."""
        whole = self.until - self.since
        unseen = sum(gap.seconds for gap in self.gaps) + (self.ends - self.begins - self.seconds).clip(min=0).sum()
        return float(1 - unseen / whole) if whole > 0 else None

    def seconds_above(self, name: str, limit: float) -> float:
        """About how long a series was above a limit."""
        return float(self.seconds[self.highest[name] > limit].sum())


@dataclass(frozen=True)
class Blocks:
    """A history as blocks in time: one a row, or a mean and a maximum of many."""

    edges: np.ndarray  # wall clock seconds; one more than there are blocks
    mean: pd.DataFrame  # a row a block; NaN where nothing was seen
    highest: pd.DataFrame
    seconds: float | None  # of one block; None: a block is a row


def history(
    points: Sequence[Point],
    since: float,
    until: float,
    interval_seconds: float,
    rollups: Quarters = quarters.NONE,
    verdicts: Mapping[int, Verdict] = MappingProxyType({}),
    first: bool = False,
) -> History:
    """The table of the points, which come in the order in which they were stored.

    rollups: of each quarter that has no points any more, all older than the points.
    verdicts: on points, by their ids.
    first: nothing was ever stored before these.
    """
    wall = np.array([point.wall_seconds for point in points])
    values = _table([point.values for point in points])
    never = values.isna().all()
    counters = list(COUNTERS)
    elapsed = pd.Series([point.boottime_seconds for point in points], dtype=float).diff()
    restarts = tuple(_restarts(points, values[counters]))
    together = ~pd.Series(wall).isin([restart.wall_seconds for restart in restarts]) & (elapsed > 0)
    increments = values[counters].diff().where(together, axis=0)
    increments = increments.where(increments >= 0)
    values[counters] = increments.div(elapsed, axis=0).where(elapsed <= MAX_SECONDS, axis=0)
    judged = (verdicts.get(point.id or 0) for point in points)
    values[EXPECTED] = np.array([one.expected if one else None for one in judged], dtype=float)
    values.index = pd.Index(wall, name="wall_seconds")
    values = values.sort_index(kind="stable")

    distances = np.sort(np.diff(values.index))
    usual = float(distances[(len(distances) - 1) // 2]) if len(distances) else 0.0
    spacing = max(interval_seconds, usual)
    middles = pd.Index(rollups.begins + QUARTER_SECONDS / 2, name="wall_seconds")
    means, maxima = (pd.DataFrame(table, middles, list(NAMES)) for table in (rollups.mean, rollups.highest))
    begins = np.concatenate([rollups.begins, values.index])
    ends = np.concatenate([rollups.begins + QUARTER_SECONDS, values.index])
    edges = zip([since, *ends], [*begins, until], strict=True)
    counted = pd.concat([increments, means[counters].mul(rollups.covered_seconds, axis=0)])
    totals = counted.sum(min_count=1)
    rows = pd.concat([means, values]) if rollups else values
    return History(
        since=since,
        until=until,
        values=rows,
        highest=pd.concat([maxima, values]) if rollups else values,
        begins=begins,
        ends=ends,
        seconds=np.concatenate([rollups.covered_seconds, np.full(len(points), spacing)]),
        increase={name: None if np.isnan(totals[name]) else float(totals[name]) for name in counters},
        never=tuple(name for name in NAMES if never[name] and means[name].isna().all()),
        spacing_seconds=spacing,
        gaps=tuple(Stretch(left, right) for left, right in edges if right - left > GAP_INTERVALS * spacing),
        restarts=restarts,
        first=first,
    )


def _table(rows: Sequence[Mapping[str, float | None]]) -> pd.DataFrame:
    in_order = itemgetter(*NAMES)
    table = np.fromiter(chain.from_iterable(map(in_order, rows)), dtype=float)  # None has become NaN
    return pd.DataFrame(table.reshape(len(rows), len(NAMES)), columns=list(NAMES))


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
    """What to draw: the rows themselves while a picture has room for them, else equal blocks of at least three."""
    if len(history.values) <= MOST_BLOCKS:
        return _rows_as_blocks(history)
    whole = history.until - history.since
    wanted = max(whole / MOST_BLOCKS, GAP_INTERVALS * history.spacing_seconds)
    if history.rollups_until is not None:
        wanted = max(wanted, QUARTER_SECONDS)
    seconds = next((seconds for seconds in BLOCK_SECONDS if seconds >= wanted), wanted)
    begin = history.since // seconds * seconds
    edges = np.arange(begin, history.until + seconds, seconds)
    number = ((history.values.index.to_numpy() - begin) // seconds).astype(int)
    rows = range(len(edges) - 1)
    mean, highest = history.values.groupby(number).mean(), history.highest.groupby(number).max()
    return Blocks(edges, mean.reindex(rows), highest.reindex(rows), seconds)


def _rows_as_blocks(history: History) -> Blocks:
    """Each row reaches half-way to its neighbours; at a gap a point half of the usual distance, and then nothing."""
    begins, ends = (
        np.where(history.ends > history.begins, edge, edge + side * history.spacing_seconds / 2)
        for edge, side in ((history.begins, -1), (history.ends, 1))
    )
    gaps = {gap.since for gap in history.gaps}
    edges, rows = [begins[0]], []
    for number, end in enumerate(history.ends):
        rows.append(number)
        if number == len(ends) - 1:
            edges.append(ends[number])
        elif end in gaps:
            edges += [ends[number], begins[number + 1]]
            rows.append(-1)
        else:
            edges.append((end + history.begins[number + 1]) / 2)
    empty = pd.DataFrame(np.nan, index=[-1], columns=history.values.columns)

    def drawn(table: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([table.reset_index(drop=True), empty]).loc[rows].reset_index(drop=True)

    return Blocks(np.array(edges), drawn(history.values), drawn(history.highest), None)
