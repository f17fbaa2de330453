"""What is happening to the number of connections: the detector, one sample at a time.

It names a pattern and the evidence: what was expected and seen, since when, and which state grew. It copes with gaps,
clock steps, reboots, changed intervals, and counts that are tiny or never change. docs/detection.md has its method,
sources and scores.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, Self

from tcptide.detection.coarse import COARSE_SECONDS, Coarse
from tcptide.detection.leaks import LeakFinder, SlowLeak
from tcptide.detection.steps import Steps
from tcptide.model import QUIET_PATTERNS, Verdict

#: Raise it with every change that makes the same samples give another verdict.
VERSION = "1"

#: What a change must be, as a share of what `quiet` asks for.
FACTORS = {"quiet": 1.0, "normal": 0.85, "eager": 0.7}
SENSITIVITIES = tuple(FACTORS)

#: Longer without a sample is a gap.
_GAP_INTERVALS = 3
#: The same distance, longer than a gap or shorter than this, so many times in a row is another interval.
_SHORT_INTERVALS, _SAME_TIMES, _SAME_RATIO = 0.5, 3, 0.1

_USUAL_PACE = 0.05  # how fast what is usual in a state follows, a sample


class Detector:
    """Follows the counts of one source. load(dump()) goes on as if it had not stopped."""

    def __init__(self, interval_seconds: float, sensitivity: str = "quiet") -> None:
        """interval_seconds: between two samples; a lasting change of it is found out. sensitivity: of SENSITIVITIES."""
        self._factor = FACTORS[sensitivity]
        self._wall: float | None = None
        self._other = 0.0  # seconds between two samples that weren't an interval apart
        self._others = 0  # of this length, in a row
        self._rest = 0.0  # of an interval, that jitter has added up to
        self._down = False  # after a fall that lasted
        self._usual: dict[str, float] = {}  # sockets by state while nothing happens
        self._pattern, self._since, self._grew = "insufficient_data", 0.0, ""
        self.leak: SlowLeak | None = None
        self._begin(interval_seconds)

    def _begin(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        kind = Steps if interval_seconds < COARSE_SECONDS else Coarse
        self._changes: Steps | Coarse = kind(interval_seconds, self._factor)
        self._leaks = LeakFinder(interval_seconds, self._factor)

    def update(
        self,
        wall_seconds: float,
        states: Mapping[str, float],
        *,
        elapsed_seconds: float | None = None,
        restarted: bool = False,
    ) -> Verdict:
        """The verdict on a sample: `states` are sockets by the kernel's names, what is judged is their sum.

        elapsed_seconds: since the sample before, by a clock that nobody sets; None: as the wall clock says. restarted:
        another boot, or another network namespace of the same name.
        """
        passed = self._passed(wall_seconds, elapsed_seconds, restarted)
        total = float(sum(states.values()))
        if not 0 <= total < inf:
            states = {state: count for state, count in states.items() if 0 <= count < inf}
            total = float(sum(states.values()))
        changes = self._changes
        name, level = changes.update(wall_seconds, passed, total), changes.level
        elapsed = None if passed is None else passed * self.interval_seconds
        unusual = changes.going_on or changes.explained
        recovered, self._down = self._down and not changes.fell_from, bool(changes.fell_from)
        self.leak = self._leaks.update(wall_seconds, elapsed, states, event=unusual, restarted=restarted or recovered)
        if self.leak is not None and self.leak.state == "ESTABLISHED" and total < changes.fell_from:
            self.leak = None  # it only comes back
        if name is None and self.leak is not None:
            name, level = "slow_leak", total - self.leak.sockets
        if name is None:
            before = self._pattern
            self._pattern = "periodic" if changes.periodic else "normal" if changes.ready else "insufficient_data"
            if not unusual:
                self._learn(states, after_event=before not in QUIET_PATTERNS)
            return Verdict(self._pattern, None, level, total, None, None)
        if name != self._pattern:
            if self._pattern in QUIET_PATTERNS or "slow_leak" in (name, self._pattern):
                self._since, self._grew = wall_seconds - (changes.samples - 1) * self.interval_seconds, ""
            self._pattern = name
        if name == "slow_leak" and self.leak is not None:
            return Verdict(name, self.leak.since, level, total, self.leak.state, None)
        self._grew = self._grew or self._which(states, total - (level or 0.0))
        return Verdict(name, self._since, level, total, self._grew or None, None)

    def _passed(self, wall_seconds: float, elapsed_seconds: float | None, restarted: bool) -> int | None:
        """Intervals since the sample before; None for a gap or a clock that was set."""
        before, self._wall = self._wall, wall_seconds
        if before is None:
            return 1
        elapsed = wall_seconds - before if elapsed_seconds is None else elapsed_seconds
        intervals = elapsed / self.interval_seconds
        if _SHORT_INTERVALS <= intervals <= _GAP_INTERVALS and not restarted:
            self._others = 0
            passed = max(1, round(intervals + self._rest))
            self._rest = max(-0.5, min(0.5, intervals + self._rest - passed))
            return passed
        self._others = self._others + 1 if elapsed > 0 and abs(elapsed - self._other) < _SAME_RATIO * elapsed else 1
        self._other = elapsed
        if self._others >= _SAME_TIMES and elapsed > 0:
            self._begin(elapsed)
            self._others = 0
        return 1 if 0 < intervals < 1 and not restarted else None

    def _learn(self, states: Mapping[str, float], *, after_event: bool) -> None:
        """What is usual in each state; all anew after an event."""
        if after_event:
            self._usual = {}
        usual = self._usual
        for state, count in states.items():
            known = usual.get(state)
            usual[state] = count if known is None else known + _USUAL_PACE * (count - known)

    def _which(self, states: Mapping[str, float], change: float) -> str:
        """The state that has most of a change; none of it when little is known."""
        changes = {state: count - self._usual.get(state, 0.0) for state, count in states.items()}
        if not self._usual or not changes:
            return ""
        return max(changes, key=lambda state: changes[state] if change > 0 else -changes[state])

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {
            "interval": self.interval_seconds,
            "wall": self._wall,
            "down": self._down,
            "other": [self._other, self._others, self._rest],
            "usual": self._usual,
            "pattern": [self._pattern, self._since, self._grew],
            "changes": self._changes.dump(),
            "leaks": self._leaks.dump(),
        }

    @classmethod
    def load(cls, interval_seconds: float, sensitivity: str, dumped: Mapping[str, Any]) -> Self:
        """The detector of a dump, with the interval and sensitivity it was made with. Raises ValueError for no dump."""
        detector = cls(interval_seconds, sensitivity)
        try:
            if not (0 < dumped["interval"] < inf and (dumped["wall"] is None or abs(dumped["wall"]) < inf)):
                raise ValueError("not the state of a detector: an impossible time")
            detector._begin(dumped["interval"])
            detector._wall = dumped["wall"]
            detector._down = dumped["down"]
            detector._other, detector._others, detector._rest = dumped["other"]
            detector._usual = dict(dumped["usual"])
            detector._pattern, detector._since, detector._grew = dumped["pattern"]
            detector._changes.load(dumped["changes"])
            detector._leaks = LeakFinder.load(dumped["interval"], detector._factor, dumped["leaks"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of a detector: {error!r}") from None
        return detector
