"""What comes back on time: the day, and bursts as of cron jobs, batch clients and health checks.

Of the day the means of ten minutes are kept for a week. A burst is a peak of at most three samples. When the same peak
has come back at equal distances it is expected: on time it is no news, and it is kept out of what the other detectors
learn.
"""

from collections import deque
from collections.abc import Callable
from math import log
from typing import Any

DAY_SECONDS = 86400
_DAYS = 7
_KEPT_DAYS = 8  # so that what came before this hour a week ago is still there
_BLOCK_SECONDS = 600.0

#: An earlier day explains a jump if its own was at least this share of it (as logarithms), from a level not further
#: away than this factor's logarithm.
_SHARE = 0.6
_SIMILAR = 0.7

#: A jump by more than this (as a logarithm, 2.4 times) must have happened on two days: once may have been an incident.
_BIG = 0.87

#: A burst stands out of what was there before by so many scales, and is over when this share of it is left.
_STANDS_OUT = 3.0
_OVER_RATIO = 0.4
_LONGEST = 3  # samples

#: Heights of one job's bursts differ by less than this factor.
_ALIKE = 2.5

#: So many bursts at equal distances, of the last five, make a period.
_TIMES = 4
_SHORTEST, _LONGEST_PERIOD = 4, 190  # samples
_EXACT_BELOW = 8  # periods shorter than this must be met to the sample, longer ones to one sample

#: A period that wasn't met for so many of its lengths goes on no more (more of them where a gap hid its phase); it is
#: still known for a while, for a job that was only paused.
_PATIENCE, _PATIENCE_LOST, _FORGOTTEN, _FORGOTTEN_SAMPLES = 6, 12, 40, 4500

#: On time, a rise of this share of the usual burst is part of it.
_PART_RATIO = 0.25


class Days:
    """The means of blocks; by the wall clock, since people and cron live by it."""

    def __init__(self, interval_seconds: float) -> None:
        self.block_seconds = max(_BLOCK_SECONDS, interval_seconds)
        self.blocks_per_day = max(1, round(DAY_SECONDS / self.block_seconds))
        self._means: list[float | None] = [None] * (_KEPT_DAYS * self.blocks_per_day)
        self._begin(0)
        self._sum = 0.0
        self._samples = 0

    def feed(self, wall_seconds: float, value: float) -> None:
        """Learn from a sample. A clock that steps back fills its hours again."""
        if not self._start <= wall_seconds < self._end:
            block = int(wall_seconds // self.block_seconds)
            if self._samples:
                size = len(self._means)
                mean = float(f"{self._sum / self._samples:.4g}")
                self._means[self._block % size] = int(mean) if mean >= 100 else mean  # short as JSON
                for skipped in range(max(self._block + 1, block - size), block):
                    self._means[skipped % size] = None
            self._sum, self._samples = 0.0, 0
            self._begin(block)
        self._sum += value
        self._samples += 1

    def _begin(self, block: int) -> None:
        """Fill this one from now on."""
        self._block = block
        self._start, self._end = block * self.block_seconds, (block + 1) * self.block_seconds

    def at(self, block: int) -> float | None:
        """The mean of a block before this one; None if nothing is known of it."""
        size = len(self._means)
        return self._means[block % size] if self._block - size < block < self._block else None

    def explain(self, wall_seconds: float, level: float, value: float) -> bool:
        """Whether a jump from level to value, at this time, is what earlier days did as well."""
        jump = log((value + 1) / (level + 1))
        now = int(wall_seconds // self.block_seconds)
        found = 0
        for day in range(1, _DAYS + 1):
            then = now - day * self.blocks_per_day
            after = [mean for block in (then - 1, then, then + 1) if (mean := self.at(block)) is not None]
            before = [mean for block in (then - 3, then - 2) if (mean := self.at(block)) is not None]
            if after and before:
                base = sum(before) / len(before) + 1
                other = log(((max(after) if jump > 0 else min(after)) + 1) / base)
                alike = _SHARE < other / jump < max(1 / _SHARE + 0.1 / abs(jump), 3.0) if jump else False
                found += alike and abs(log(base / (level + 1))) < _SIMILAR
        return found >= (1 if abs(jump) < _BIG else 2)

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {"means": self._means, "block": self._block, "sum": self._sum, "samples": self._samples}

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on from a dump. Raises ValueError for one of another interval."""
        if len(dumped["means"]) != len(self._means):
            raise ValueError("a dump of another interval")
        self._means = dumped["means"]
        self._begin(dumped["block"])
        self._sum, self._samples = dumped["sum"], dumped["samples"]


class Cycle:
    """Learns the period of bursts; samples are numbered by the time that passed, in intervals.

    `period` is in samples, None when none is known; `active` whether its bursts still come.
    """

    def __init__(self) -> None:
        self.period: float | None = None
        self.active = False
        self._phase = 0.0  # number of the last burst on time
        self._height = 0.0
        self._width = 1.0  # samples
        self._lost = False  # the phase isn't known any more
        self._previous = 0.0  # the last sample
        self._base = 0.0  # the sample before the burst
        self._burst: list[float] | None = None  # number of its first sample, height so far
        self._onsets: deque[tuple[int, float]] = deque(maxlen=20)

    def lose(self) -> None:
        """An unknown time has passed."""
        self._burst = None
        self._lost = True

    def take(self, number: int, value: float, scale: Callable[[], float]) -> bool:
        """Learn from a sample, and say whether it is part of a burst on time.

        scale: asked for the usual deviation of a sample, where it matters.
        """
        explained = False
        if self.period is not None:
            explained = self._explains(number, value, self.period)
            self._go_on(number, self.period)
        rise, burst = value - self._previous, self._burst
        if (
            rise > 0.0
            and rise * rise > _STANDS_OUT * _STANDS_OUT * (self._previous + 1.0)
            and (burst is None or rise > burst[1])
            and rise > _STANDS_OUT * scale()
        ):
            self._burst = [number, rise]
            self._base = self._previous
        elif burst is not None:
            height = burst[1] = max(burst[1], value - self._base)
            if value - self._base < _OVER_RATIO * height:
                self._burst = None
                self._learn(int(burst[0]), height, int(number - burst[0]))
            elif number - burst[0] >= _LONGEST:
                self._burst = None
        self._previous = value
        return explained

    def _explains(self, number: int, value: float, period: float) -> bool:
        burst, base = self._burst, self._base
        if burst is None or value - self._previous > burst[1] or burst[1] < _PART_RATIO * self._height:
            base = self._previous
        elif number - burst[0] > self._width + 0.5:
            return False
        if not _PART_RATIO * self._height < value - base < _ALIKE * self._height:
            return False
        slack = _slack(period) + 0.5
        return (self._lost and self.active) or -slack <= self._off(number) < self._width + slack

    def _go_on(self, number: int, period: float) -> None:
        """Whether the period goes on."""
        missed = number - self._phase - 5
        if missed > max(_FORGOTTEN * period, _FORGOTTEN_SAMPLES):
            self.period = None
            self._onsets.clear()
        else:
            self.active = missed <= (_PATIENCE_LOST if self._lost else _PATIENCE) * period

    def _learn(self, number: int, height: float, width: int) -> None:
        alike = [onset for onset, other in self._onsets if height < _ALIKE * other and other < _ALIKE * height]
        self._onsets.append((number, height))
        if self.period is not None:
            if height > _OVER_RATIO * self._height and (self._lost or abs(self._off(number)) <= 1):
                self._phase = number if self._lost else number - 0.7 * self._off(number)
                self._lost, self.active = False, True
                self._height += 0.3 * (height - self._height)
                self._width += 0.3 * (width - self._width)
                return
            if height < 0.7 * self._height:  # nothing small takes the place of what is known
                return
        for onset in reversed(alike):
            period = number - onset
            if period > _LONGEST_PERIOD:
                return
            met = [
                (k, other) for k in range(1, 6) for other in alike if abs(number - k * period - other) <= _slack(period)
            ]
            if period >= _SHORTEST and len({k for k, _ in met}) >= _TIMES - 1:
                k, first = max(met)
                self.period, self._phase, self._lost, self.active = (number - first) / k, number, False, True
                self._height, self._width = height, float(width)
                return

    def _off(self, number: int) -> float:
        """Samples since the nearest time that a burst was due."""
        since, period = number - self._phase, self.period or 1.0
        return since - round(since / period) * period

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {
            "period": self.period,
            "active": self.active,
            "phase": self._phase,
            "height": self._height,
            "width": self._width,
            "lost": self._lost,
            "previous": self._previous,
            "base": self._base,
            "burst": self._burst,
            "onsets": list(self._onsets),
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on from a dump."""
        self.period, self.active, self._phase = dumped["period"], dumped["active"], dumped["phase"]
        self._height, self._width, self._lost = dumped["height"], dumped["width"], dumped["lost"]
        self._previous, self._base, self._burst = dumped["previous"], dumped["base"], dumped["burst"]
        self._onsets.extend((number, height) for number, height in dumped["onsets"])


def _slack(period: float) -> int:
    """How many samples a burst may come early or late."""
    return 0 if period < _EXACT_BELOW else 1
