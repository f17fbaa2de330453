"""The period that a report's is compared with: its history, its times moved to this one's, and changes in words."""

from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import pandas as pd

from tcptide.schema import QUARTER_SECONDS

from . import frames, words
from .frames import History
from .load import Loaded

ENOUGH = 0.75  # of a period, that samples have to cover: less, and the week's rhythm would be taken for a change


@dataclass(frozen=True)
class Before:
    """An earlier period; what of it is stored are means and maxima of quarters of an hour."""

    words: str  # 'the week before'
    days: int
    history: History  # at its own times

    def total(self, zone: tzinfo) -> pd.Series:
        """Its connections, NaN where there were no samples, at the moments of the later period it is compared with.

        Those have the same weekday and show the same on the clock. Of an hour that clocks skip later, and of the second
        of two that were the same before, there is none; the second of two that are the same later has none to it.
        """
        quarters = np.arange(
            self.history.since // QUARTER_SECONDS * QUARTER_SECONDS, self.history.until, QUARTER_SECONDS
        )
        seen = pd.Series(self.history.values["total"].to_numpy(), self.history.begins)
        local = pd.to_datetime(quarters, unit="s", utc=True).tz_convert(zone).tz_localize(None)
        moved = (local + pd.Timedelta(days=self.days)).tz_localize(
            zone, ambiguous=np.ones(len(local), dtype=bool), nonexistent="NaT"
        )
        later = ((moved - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy()
        values = seen.reindex(quarters)
        values.index = pd.Index(later, name="wall_seconds")
        return values[values.index.notna() & ~values.index.duplicated()]


def before(loaded: Loaded, history: History, interval_seconds: float) -> tuple[Before | None, str]:
    """What the period is compared with, and that in a sentence; if it is with nothing, the sentence says why."""
    earlier = loaded.earlier
    if earlier is None or not loaded.earlier_rollups:
        return None, "" if earlier is None else f"Not compared: nothing is stored of {earlier.words}."
    past = frames.history([], earlier.since, earlier.until, interval_seconds, loaded.earlier_rollups)
    for one, of in ((history, "of this period"), (past, "then")):
        if seen_share(one) < ENOUGH:
            return None, f"Not compared with {earlier.words}: samples cover {covered(one)} {of}."
    return Before(earlier.words, earlier.days, past), f"Changes are against {earlier.words}."


def seen_share(history: History) -> float:
    """The share of the period, 0 to 1, that is in no gap: of a rollup it counts that there is one.

    What a rollup's samples stand for depends on how often they were to be taken, not on how often they were.
    """
    whole = history.until - history.since
    return 1 - sum(gap.seconds for gap in history.gaps) / whole if whole > 0 else 0.0


def covered(history: History) -> str:
    """`31 of 168 hours`."""
    whole = (history.until - history.since) / 3600
    hours = seen_share(history) * whole
    return f"{words.count(round(hours) or hours)} of {words.count(whole)} hours"
