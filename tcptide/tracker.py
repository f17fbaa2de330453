"""How one resource grows, row by row: what a forecast (tcptide.forecast) is made from.

Only accepted growth is extrapolated: a slow leak that was found (detection/leaks.py), or a ramp (detection/ramps.py).
It grows on a base: what the same time of yesterday held, scaled to today. Straight lines through everything would claim
a limit in every morning.
"""

import math
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from tcptide.detection.leaks import SlowLeak
from tcptide.detection.pace import GAP_INTERVALS
from tcptide.detection.ramps import Ramps, tenths
from tcptide.forecast import STEP_SECONDS, Trend

BLOCK_SECONDS = 600.0  # a day is remembered in means over these
BLOCKS = 144  # in a day
NEAR = 18  # blocks: by so many, today is compared with yesterday
RISE_BLOCKS = 6  # over at least so many, yesterday's rise is taken
STEP_BLOCKS = int(STEP_SECONDS / BLOCK_SECONDS)
LEAST_RATIO, MOST_RATIO = 0.3, 3.0  # of today to yesterday
AHEAD = 4.0  # so many times as long as a ramp has been seen, it may go on
YOUNG_SECONDS, YOUNG_AHEAD, YOUNG_INTERVALS = 2700.0, 0.3, 40  # without a yesterday only so long, and AHEAD of it
MORNING_SECONDS = 14_400.0  # and not at all after so long a rise, which may be the day's
MORNING_TIMES = 10.0  # unless it is from so little
LEAK_SECONDS = 864_000.0  # a leak may go on so long
LEAK_SURE, LEAK_BENT = 0.1, 0.2  # no rate of a leak is known better, nor whether it stays
BASE_SURE = 0.25  # standard error of a day's base, as a share
YOUNG_SURE = 0.6  # and without a yesterday, as a share of what was seen to vary
ROUGH_PACE = 0.2  # how fast what is known of the base's noise follows, a block
NORMAL_MEAN = 0.8  # the mean size of a standard normal number
TOUCH = 1.5  # a limit is touched first by a sample this many mean deviations above the others
FIRST_TOUCH = 1.05  # of ramps, standard deviations that the first to touch is below the highest


class Tracker:
    """One series: what is used of something that has a limit. load(dump()) goes on as if it had not stopped."""

    def __init__(self, interval_seconds: float) -> None:
        self.interval = float(interval_seconds)
        self.seconds = self.wall = self.used = 0.0
        self.day: list[float | None] = []  # means of the base, oldest first
        self.block, self.until = 0, BLOCK_SECONDS  # its end
        self.count, self.sum, self.squares = 0, 0.0, 0.0  # of this block
        self.rough = 0.0  # how far the base is from a block's mean, on average
        self.leak: SlowLeak | None = None
        self.ramps = Ramps(interval_seconds)

    def update(
        self,
        wall_seconds: float,
        used: float | None,
        elapsed_seconds: float | None = None,
        restarted: bool = False,
        leak: SlowLeak | None = None,
    ) -> None:
        """One sample; used None: not seen. leak: what LeakFinder says of this sample, if that is part of the series."""
        if restarted or elapsed_seconds is None or not 0.0 <= elapsed_seconds <= GAP_INTERVALS * self.interval:
            self.ramps.clear()
            if elapsed_seconds is None or not 0.0 <= elapsed_seconds < inf:
                elapsed_seconds = self.interval
        self.seconds += elapsed_seconds
        self.wall = wall_seconds
        if used is None or not 0.0 <= used < 1e15:
            return
        if self.seconds >= self.until:
            self._close(int(self.seconds // BLOCK_SECONDS))
        if leak is not None and self.leak is None:
            self._take_out(leak)
        self.used, self.leak = used, leak
        base = used - leak.sockets if leak else used
        self.count += 1
        self.sum += base
        self.squares += base * base
        self.ramps.take(self.seconds, self.used, self._yesterday)

    def change_interval(self, interval_seconds: float) -> None:
        """Samples come so far apart from now on."""
        self.interval, self.ramps = float(interval_seconds), Ramps(interval_seconds)

    def _close(self, block: int) -> None:
        mean = self.sum / self.count if self.count else None
        if mean is not None and self.count > 1:
            off = NORMAL_MEAN * math.sqrt(max(0.0, self.squares - mean * self.sum) / (self.count - 1))
            self.rough += ROUGH_PACE * (min(off, 5.0 * self.rough + 5.0) - self.rough)
        self.day.append(None if mean is None else round(mean))
        self.day.extend([None] * min(BLOCKS, block - self.block - 1))
        if len(self.day) >= BLOCKS:  # from now on ramps are compared
            self.ramps.drop(lambda ramp: not ramp.compared and ramp.end - ramp.start > BLOCK_SECONDS)
        del self.day[: -BLOCKS - NEAR]
        self.block, self.until = block, (block + 1) * BLOCK_SECONDS
        self.count, self.sum, self.squares = 0, 0.0, 0.0

    def _take_out(self, leak: SlowLeak) -> None:
        """A leak that is found now has been in the base since its onset."""
        age, since_block = max(self.wall - leak.since, 1.0), self.seconds % BLOCK_SECONDS
        for i in range(1, 1 + min(len(self.day), int(age / BLOCK_SECONDS) + 1)):
            known, then = self.day[-i], age - since_block - (i - 0.5) * BLOCK_SECONDS
            if known is not None and then > 0:
                self.day[-i] = max(0, round(known - leak.sockets * then / age))
        self.squares += (self.count * leak.sockets - 2 * self.sum) * leak.sockets
        self.sum -= self.count * leak.sockets

    def trend(self, resource: str) -> Trend | None:
        """How it grows now, if it does."""
        head = (resource, self.wall, self.used)
        leak, ramp = self.leak, self.ramps.best()
        if leak is not None:
            if not leak.sure and len(self.day) < BLOCKS:
                return None  # a first morning looks the same
            base, base_error = self._ahead()
            here = max(0.0, _mean(self.day[-3:], self.used - leak.sockets))
            touch = 1 + TOUCH * self.rough / max(here, 1.0)
            error, age = (
                max(leak.per_second_error, LEAK_SURE * leak.per_second),
                max(self.wall - leak.since, self.interval),
            )
            level, ahead = leak.sockets + touch * here, tuple([tenths(touch * each) for each in base])
            return Trend(
                *head, level, leak.per_second, error, 1.0, LEAK_BENT, age, LEAK_SECONDS, ahead, base_error, here
            )
        if ramp is None or self.ramps.onset is None:
            return None
        age, noise = self.seconds - self.ramps.onset, max(ramp.noise, 1.25 * self.ramps.noise)
        base, base_error = self._ahead() if ramp.compared else ((), 0.0)
        most = AHEAD * age
        if not ramp.compared:
            most = min(most, max(YOUNG_INTERVALS * self.interval, YOUNG_SECONDS + YOUNG_AHEAD * age))
            if age > MORNING_SECONDS and self.used < MORNING_TIMES * self.ramps.low:
                most = 0.0
        # The highest of the samples that come near a limit touches it (the mean of the largest of n normal numbers).
        touch = math.sqrt(2 * math.log(1 + noise / (ramp.slope * self.interval))) - FIRST_TOUCH
        level = ramp.at(self.seconds) + noise * max(0.0, touch)
        error = math.hypot(base_error, noise, 0.4 * ramp.slope * self.interval)
        bent = (ramp.power, ramp.power_error)
        return Trend(*head, level, ramp.slope, ramp.slope_error, *bent, age, most, base, error)

    def _yesterday(self, start: float, end: float) -> float | None:
        """How fast the base rose a day before a time; None if that isn't known."""
        first = int(start // BLOCK_SECONDS) - self.block - BLOCKS
        last = int(end // BLOCK_SECONDS) - self.block - BLOCKS
        first, last = min(first, last - RISE_BLOCKS // 2), max(last, first + RISE_BLOCKS // 2)
        if 1 - first > len(self.day):
            return None
        before, after = _mean(self.day[first - 1 : first + 2], -1.0), _mean(self.day[last - 1 : last + 2], -1.0)
        return (after - before) / (BLOCK_SECONDS * (last - first)) if before >= 0 and after >= 0 else None

    def _ahead(self) -> tuple[tuple[float, ...], float]:
        """By how much the base will change over a day if it is like yesterday, and its standard error."""
        day = self.day
        if len(day) < BLOCKS:
            known = [each for each in day if each is not None]
            return (), YOUNG_SURE * (max(known) - min(known)) if known else 0.0
        pairs = zip(reversed(day[:-BLOCKS]), reversed(day), strict=False)
        both = [(was, now) for was, now in pairs if was is not None and now is not None]
        was, now = (sum(each) for each in zip(*both, strict=True)) if both else (0.0, 0.0)
        ratio = min(MOST_RATIO, max(LEAST_RATIO, now / was)) if was else 1.0
        here = _mean(day[-BLOCKS - 1 : -BLOCKS + 2], 0.0)
        last = [here if each is None else each for each in day[-BLOCKS:]]
        steps = [sum(last[i : i + STEP_BLOCKS]) / STEP_BLOCKS - here for i in range(0, BLOCKS, STEP_BLOCKS)]
        return tuple([ratio * each for each in steps]), BASE_SURE * ratio * here

    def dump(self) -> dict[str, Any]:
        """What load() needs, as JSON."""
        return vars(self) | {"ramps": self.ramps.dump()}

    @classmethod
    def load(cls, dumped: Mapping[str, Any]) -> "Tracker":
        """Go on from a dump. Raises ValueError for what isn't one."""
        try:
            tracker, state = cls(dumped["interval"]), dict(dumped)
            tracker.ramps.load(state.pop("ramps"))
            if state.keys() != vars(tracker).keys() - {"ramps"}:
                raise ValueError
            vars(tracker).update(state)
            tracker.leak = None if tracker.leak is None else SlowLeak(*tracker.leak)
        except (TypeError, ValueError, LookupError, AttributeError):
            raise ValueError("no dump of a tracker") from None
        return tracker


def _mean(values: Iterable[float | None], otherwise: float) -> float:
    known = [each for each in values if each is not None]
    return sum(known) / len(known) if known else otherwise
