"""Sudden changes of a count that is sampled so rarely that the day's own course lies between two samples.

The level before says little then. What counts is the same hour of yesterday, of the day before and of last week, moved
by how the days differ so far; a sample that one of them explains is no news.
"""

from math import log
from typing import Any

from tcptide.detection.event import LEAK_OVER
from tcptide.detection.recurrence import Days
from tcptide.detection.steps import median

_DAYS_BACK = (1, 2, 7)
_LEVEL = 18  # samples that tell how two days differ
#: What the change must be, as a logarithm: 1.43 times, or little more than a half.
_UP, _DOWN = 0.36, 0.6
_CHANCE = 3.5  # square roots of the count
_SPIKE = 3  # samples at most
_FALL = 2  # samples at least: one is chance more often than an hour without anything
_FLOOD = 1.06  # 2.9 times
_OUTAGE = 1.2  # less than 0.3
_LASTS = 24  # samples


class Coarse:
    """Looks for changes against earlier days. `factor` scales what a change must be: 1 is quiet, less is more eager."""

    def __init__(self, interval_seconds: float, factor: float = 1.0) -> None:
        self.factor = factor
        self.days = Days(interval_seconds)
        self.level: float | None = None  # what is expected now
        self._event = 0  # samples that it goes on
        self.fell_from = 0.0

    @property
    def samples(self) -> int:
        """Of the event that goes on."""
        return self._event

    def is_unusual(self) -> bool:
        """Whether something goes on."""
        return self._event > 0

    def calm(self) -> str:
        """The pattern where no event has a name: without a day to compare with nothing can be said."""
        return "insufficient_data" if self.level is None else "normal"

    def update(self, wall_seconds: float, passed: int | None, value: float, leaked: float = 0.0) -> str | None:
        """The name of the event that goes on, None without one.

        passed: None for a gap. leaked: sockets that a leak had left over, so that they may be gone.
        """
        if passed is None:
            self._event = 0
        self.days.feed(wall_seconds, value)
        expected = self._expected(wall_seconds)
        if not expected:
            self.level = None
            return None
        offs = [log((value + 1) / (each + 1)) for each in expected]
        off = 0.0 if min(offs) < 0 < max(offs) else min(offs, key=abs)
        self.level = expected[offs.index(min(offs, key=abs))]
        chance = self.factor * _CHANCE * (max(value, self.level) + 1) ** 0.5
        limit = self.factor * (_UP if off > 0 else _DOWN)
        leak_over = off < 0 and self.level - value <= LEAK_OVER * leaked
        if leak_over or abs(off) < limit or abs(value - self.level) < chance or self._event >= _LASTS:
            self._event = 0
            return None
        self._event += 1
        if off < 0:
            if self._event < _FALL:
                return None
            return "rapid_decrease" if off < -_OUTAGE else "level_shift"
        if self._event <= _SPIKE:
            return "spike"
        return "rapid_increase" if off > _FLOOD else "level_shift"

    def _expected(self, wall_seconds: float) -> list[float]:
        """What each of the earlier days leads to expect, moved to this day's level and as it was."""
        days, now = self.days, int(wall_seconds // self.days.block_seconds)
        expected = []
        for day in _DAYS_BACK:
            back = day * days.blocks_per_day
            then = days.at(now - back)
            pairs = [(days.at(block), days.at(block - back)) for block in range(now - _LEVEL, now)]
            moves = [(a + 1) / (b + 1) for a, b in pairs if a is not None and b is not None]
            if then is not None and len(moves) > _LEVEL // 2:
                expected.append(then * median(moves))
                if day != 2:
                    expected.append(then)
        return expected

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {"days": self.days.dump(), "event": self._event, "level": self.level}

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on from a dump."""
        self.days.load(dumped["days"])
        self._event, self.level = dumped["event"], dumped["level"]
