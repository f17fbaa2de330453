"""What is happening to the number of connections: the detector, one sample at a time.

It names a pattern and the evidence: what was expected and seen, since when, and which state leaks; who is behind it is
seen in growth.py. It copes with gaps, clock steps, reboots, changed and mixed intervals, and counts that are tiny or
never change. docs/detection.md has its method, sources and scores.
"""

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Self

from tcptide.detection.leaks import LeakFinder, SlowLeak
from tcptide.detection.pace import Pace
from tcptide.detection.steps import Steps
from tcptide.model import QUIET_PATTERNS, Verdict

if TYPE_CHECKING:
    from tcptide.detection.coarse import Coarse

#: Raise it with every change that makes the same samples give another verdict.
VERSION = "6"

#: What a change must be, as a share of what `quiet` asks for.
FACTORS = {"quiet": 1.0, "normal": 0.85, "eager": 0.7}
SENSITIVITIES = tuple(FACTORS)

#: From here on samples are so rare that changes are judged against earlier days.
COARSE_SECONDS = 900.0

_LEAKED_SAMPLES = 12  # for so long after a leak ended what has fallen may be it


class Detector:
    """Follows the counts of one source. load(dump()) goes on as if it had not stopped."""

    def __init__(self, interval_seconds: float, sensitivity: str = "quiet") -> None:
        """interval_seconds: between two samples; a lasting change of it is found out. sensitivity: of SENSITIVITIES."""
        self._factor = FACTORS[sensitivity]
        self._pace = Pace(interval_seconds)
        self._wall: float | None = None
        self._down = False  # after a fall that lasted
        self._leaked, self._leaked_samples = 0.0, 0  # most sockets that were left over lately; for how long still
        self._pattern, self._since = "insufficient_data", 0.0
        self.leak: SlowLeak | None = None
        self._begin(interval_seconds)

    def _begin(self, interval_seconds: float) -> None:
        self.interval_seconds = float(interval_seconds)
        self._changes = _changes(self.interval_seconds, self._factor)
        self._leaks = LeakFinder(self.interval_seconds, self._factor)

    def update(
        self,
        wall_seconds: float,
        states: Mapping[str, float],
        elapsed_seconds: float | None = None,
        restarted: bool = False,
        left_over: float = 0.0,
    ) -> Verdict:
        """The verdict on a sample: `states` are sockets by the kernel's names, what is judged is their sum.

        elapsed_seconds: since the sample before, by a clock that nobody sets; None: as the wall clock says. restarted:
        another boot, or another network namespace of the same name. left_over: sockets that are known to have leaked.
        """
        before, self._wall = self._wall, wall_seconds
        passed: int | None = 1
        if before is not None:
            passed = self._pace.passed(wall_seconds - before if elapsed_seconds is None else elapsed_seconds, restarted)
            if self._pace.interval_seconds != self.interval_seconds:
                self._begin(self._pace.interval_seconds)
        leak = self._leaks.found
        if leak is not None or left_over or self._leaked:
            self._remember(max(left_over, leak.sockets) if leak else left_over)
        total = float(sum(states.values()))
        if not 0.0 <= total < inf:
            states = {state: count for state, count in states.items() if 0 <= count < inf}
            total = float(sum(states.values()))
        changes = self._changes
        name, level = changes.update(wall_seconds, passed, total, self._leaked), changes.level
        elapsed = self.interval_seconds if passed == 1 else None if passed is None else passed * self.interval_seconds
        if changes.fell_from:
            self._down = True
        elif self._down:
            self._down, restarted = False, True  # nobody there is who was before it fell
        leak = self._leaks.update(wall_seconds, elapsed, states, changes.is_unusual(), restarted)
        if leak is not None and leak.state == "ESTABLISHED" and total < changes.fell_from:
            leak = None  # it only comes back
        self.leak = leak
        if name is None and leak is not None:
            name, level = "slow_leak", max(0.0, total - leak.sockets)
        if name is None:
            name = self._pattern = changes.calm()
            return Verdict(name, None, level, total, None, None)
        if name != self._pattern:
            if self._pattern in QUIET_PATTERNS or "slow_leak" in (name, self._pattern):
                self._since = wall_seconds - (changes.samples - 1) * self.interval_seconds
            self._pattern = name
        if name == "slow_leak" and leak is not None:
            return Verdict(name, leak.since, level, total, leak.state, None)
        return Verdict(name, self._since, level, total, None, None)

    def _remember(self, leaked: float) -> None:
        """How much was left over lately, at most."""
        self._leaked_samples -= 1
        if leaked > self._leaked or self._leaked_samples < 0:
            self._leaked, self._leaked_samples = leaked, _LEAKED_SAMPLES

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {
            "pace": self._pace.dump(),
            "wall": self._wall,
            "down": self._down,
            "leaked": [self._leaked, self._leaked_samples],
            "pattern": [self._pattern, self._since],
            "changes": self._changes.dump(),
            "leaks": self._leaks.dump(),
        }

    @classmethod
    def load(cls, interval_seconds: float, sensitivity: str, dumped: Mapping[str, Any]) -> Self:
        """The detector of a dump, with the interval and sensitivity it was made with. Raises ValueError for no dump."""
        detector = cls(interval_seconds, sensitivity)
        try:
            detector._pace.load(dumped["pace"])
            interval = detector._pace.interval_seconds
            if not (0 < interval < inf and (dumped["wall"] is None or abs(dumped["wall"]) < inf)):
                raise ValueError("not the state of a detector: an impossible time")
            detector._begin(interval)
            detector._wall = dumped["wall"]
            detector._down = dumped["down"]
            detector._leaked, detector._leaked_samples = dumped["leaked"]
            detector._pattern, detector._since = dumped["pattern"]
            detector._changes.load(dumped["changes"])
            detector._leaks = LeakFinder.load(interval, detector._factor, dumped["leaks"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of a detector: {error!r}") from None
        return detector


def _changes(interval_seconds: float, factor: float) -> "Steps | Coarse":
    if interval_seconds < COARSE_SECONDS:
        return Steps(interval_seconds, factor)
    from tcptide.detection.coarse import Coarse  # few histories are that coarse, and every check that adds to one pays

    return Coarse(interval_seconds, factor)
