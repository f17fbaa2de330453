"""Quarters of an hour that there are only rollups of, as numbers in columns: a year has 35,000 of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from tcptide.model import Rollup
from tcptide.schema import QUARTER_SECONDS
from tcptide.store import Reader

from .columns import NAMES

_CHUNK_ROWS = 2000  # as Python's objects they take ten times the room


@dataclass(frozen=True, eq=False)
class Quarters:
    """Mean and maximum of each Series that is shown, oldest first; NaN is not seen, counters are per-second rates."""

    begins: np.ndarray  # wall clock seconds
    covered_seconds: np.ndarray
    mean: np.ndarray  # a row a quarter, a column a Series in the order of NAMES
    highest: np.ndarray

    def __len__(self) -> int:
        return len(self.begins)

    def most(self, name: str) -> float:
        """The highest of a Series; 0 where it was never seen."""
        seen = self.highest[:, NAMES.index(name)]
        return float(np.nanmax(seen)) if np.isfinite(seen).any() else 0.0


def _made(table: np.ndarray) -> Quarters:
    """Of rows of quarter, covered seconds, means and maxima."""
    split = 2 + len(NAMES)
    return Quarters(table[:, 0] * QUARTER_SECONDS, table[:, 1], table[:, 2:split], table[:, split:])


def _table(rows: Sequence[Sequence[float | str | None]]) -> np.ndarray:
    shape = len(rows), 2 + 2 * len(NAMES)
    try:
        return np.fromiter(chain.from_iterable(rows), dtype=float).reshape(shape)  # None has become NaN
    except ValueError:  # SQLite takes text for a number: then it is lost
        numbers = [[each if isinstance(each, int | float) else None for each in row] for row in rows]
        return np.array(numbers, dtype=float).reshape(shape)


NONE = _made(_table([]))


def of(pairs: Iterable[tuple[Rollup, Rollup]]) -> Quarters:
    """From mean and maximum of each."""
    return _made(
        _table(
            [
                (mean.quarter, mean.covered_seconds, *(one.values[name] for one in (mean, most) for name in NAMES))
                for mean, most in pairs
            ]
        )
    )


def read(reader: Reader, source: str, since: float, until: float) -> Quarters:
    """Those that begin in the time. Raises StateError."""
    chunks = [_table(rows) for rows in reader.means_and_maxima(source, since, until, _CHUNK_ROWS, NAMES)]
    return _made(np.concatenate(chunks)) if chunks else NONE


def last_before(end: float) -> float:
    """Until when a whole quarter may begin that is over at `end`."""
    return math.nextafter(end - QUARTER_SECONDS, math.inf)
