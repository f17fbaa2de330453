"""How far apart samples are: the usual interval, found out when it is another than was said, and what is a gap."""

from collections import deque
from math import inf
from typing import Any

#: Longer without a sample is a gap.
GAP_INTERVALS = 3.0
_SHORT_INTERVALS = 0.5

#: The same odd distance so many times in a row is another interval.
_SAME_TIMES, _SAME_RATIO = 3, 0.1

#: Where so many of the last distances are odd, their mean is the interval, if it differs by so much: several checks
#: that take samples in turn make distances of all lengths. What is so far above the middle one is a gap.
_RECENT, _ODD, _DIFFERS, _FAR_ABOVE = 8, 3, 1.25, 6


class Pace:
    """Counts samples in intervals."""

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = float(interval_seconds)
        self._same = 0  # odd distances of one length, in a row
        self._rest = 0.0  # of an interval, that jitter has added up to
        self._recent: deque[float] = deque(maxlen=_RECENT)  # distances; what is no odd one is negative

    def passed(self, elapsed_seconds: float, restarted: bool) -> int | None:
        """Intervals since the sample before; None for a gap or a clock that was set. May change the interval."""
        intervals = elapsed_seconds / self.interval_seconds
        if _SHORT_INTERVALS <= intervals <= GAP_INTERVALS and not restarted:
            self._recent.append(-elapsed_seconds)
            self._same = 0
            due = intervals + self._rest
            if due < 1.5:
                self._rest = due - 1.0 if due > 0.5 else -0.5
                return 1
            passed = int(due + 0.5)
            self._rest = due - passed
            return passed
        if restarted or not 0 < elapsed_seconds < inf:
            self._same = 0
            return None
        last = self._recent[-1] if self._recent else 0.0
        self._same = self._same + 1 if abs(elapsed_seconds - last) < _SAME_RATIO * elapsed_seconds else 1
        self._recent.append(elapsed_seconds)
        if self._same >= _SAME_TIMES:
            self._begin(elapsed_seconds)
        elif sum(distance > 0 for distance in self._recent) >= _ODD:
            distances = sorted(map(abs, self._recent))
            usual = [each for each in distances if each <= _FAR_ABOVE * distances[len(distances) // 2]]
            mean = sum(usual) / len(usual)
            if len(distances) == _RECENT and not 1 / _DIFFERS < mean / self.interval_seconds < _DIFFERS:
                self._begin(mean)
        return 1 if intervals < 1 else None

    def _begin(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._same, self._rest = 0, 0.0
        self._recent.clear()

    def dump(self) -> list[Any]:
        """What load() takes, as JSON."""
        return [self.interval_seconds, self._same, self._rest, list(self._recent)]

    def load(self, dumped: list[Any]) -> None:
        """Go on from a dump. Raises ValueError or TypeError for what isn't one."""
        self.interval_seconds, self._same, self._rest, recent = dumped
        self._recent.extend(recent)
