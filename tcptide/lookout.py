"""Steps through the history row by row: pattern, growth of what can run out, leaks by survival, who is behind it.

Pure; its state goes through JSON between two rows. Stepping through rows one by one, with dumps and loads in between,
is the same as replaying them: what a row says depends on the rows alone.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from tcptide import levels, patterns
from tcptide.detection.leaks import SlowLeak
from tcptide.detection.survival import Survivors
from tcptide.forecast import Trend
from tcptide.growth import Usual
from tcptide.model import ALARM_PATTERNS, Forecast, Leak, Verdict
from tcptide.observation import Observation, Settled
from tcptide.outlook import Outlook
from tcptide.patterns import Detector
from tcptide.record import NamedTuple
from tcptide.resources import Resources

#: Raised whenever the same rows would give another outlook.
VERSION = f"3-{patterns.VERSION}"

#: After a boot services open their connections: for so long no pattern is named.
QUIET_SECONDS = 600.0

#: A rise is the leak that was seen to stay, if that makes so much of it: the rest may be its other ends.
_LEAKED_SHARE = 0.4

_SETTLED_ROWS = 3  # that another pattern, or none, has to last; the first is said at once


class Change(NamedTuple):
    """What is the case with this row and was not before it, or the other way round."""

    pattern: str | None  # an alarm, or the pattern that there is after one; None: it is about a limit
    before: str | None  # the alarm that was said last
    forecast: Forecast | None  # a limit that came into reach; without seconds: one that no longer is


class Lookout:
    """Takes in a source's history rows, oldest first, and says what each means."""

    def __init__(self, interval_seconds: float, sensitivity: str = "quiet") -> None:
        self.changes: tuple[Change, ...] = ()  # that came with the last row
        self._detector = Detector(interval_seconds, sensitivity)
        self._resources = Resources(interval_seconds)
        self._survivors = Survivors()
        self._usual = Usual()
        self._pattern = Settled()
        self._left_over = 0.0  # sockets that were seen to stay
        self._behind: tuple[str, str | None] = ("", None)  # a pattern in a state, and its holder
        self._last: tuple[str, int | None, float] | None = None  # boot id, namespace and boottime of the last row

    def step(self, seen: Observation) -> Outlook:
        """Take in a row."""
        last, self._last = self._last, (seen.boot_id, seen.netns_cookie, seen.boottime_seconds)
        restarted, elapsed = False, None
        if last is not None:
            restarted = last[:2] != self._last[:2] or seen.boottime_seconds < last[2]
            elapsed = None if restarted else seen.boottime_seconds - last[2]
        interval = self._detector.interval_seconds
        verdict = self._detector.update(
            seen.wall_seconds,
            seen.states,
            elapsed_seconds=elapsed,
            restarted=restarted,
            left_over=self._left_over,
        )
        if self._detector.interval_seconds != interval:
            self._resources.change_interval(self._detector.interval_seconds)
        leaks = self._survivors.update(
            seen.wall_seconds,
            seen.top.lingering,
            elapsed_seconds=elapsed,
            restarted=restarted,
            idle_seen=seen.idle_seen,
        )
        self._left_over = float(sum(leak.sockets for leak in leaks))
        trends = self._resources.update(seen, restarted, self._detector.leak or _together(leaks))
        self._usual.see(seen.states, seen.top)
        outlook = self._outlook(seen, _of_note(verdict, seen, leaks), trends, leaks)
        outlook = outlook._replace(pressing=self._resources.pressing(seen, trends))
        if not outlook.alarm:
            self._behind = "", None
        if not outlook.alarm or outlook.verdict.pattern == "slow_leak":  # which only changes hour by hour
            self._usual.settle()
        reached = (Change(None, None, forecast) for forecast in self._resources.reach(seen, trends))
        self.changes = (*self._pattern_change(outlook), *reached)
        return outlook

    def dump(self) -> dict[str, Any]:
        """What load() goes on from, JSON-ready."""
        return {
            "detector": self._detector.dump(),
            "resources": self._resources.dump(),
            "survivors": self._survivors.dump(),
            "usual": self._usual.dump(),
            "pattern": self._pattern.dump(),
            "left_over": self._left_over,
            "behind": self._behind,
            "last": self._last,
        }

    @classmethod
    def load(cls, interval_seconds: float, sensitivity: str, dumped: Any) -> "Lookout":
        """Raises ValueError for what isn't a dump."""
        lookout = cls(interval_seconds, sensitivity)
        try:
            lookout._detector = Detector.load(interval_seconds, sensitivity, dumped["detector"])
            lookout._resources = Resources.load(lookout._detector.interval_seconds, dumped["resources"])
            lookout._survivors = Survivors.load(dumped["survivors"])
            lookout._usual = Usual.load(dumped["usual"])
            lookout._pattern = Settled(*dumped["pattern"])
            lookout._left_over = dumped["left_over"]
            lookout._behind = (*dumped["behind"],)
            lookout._last = dumped["last"] and (*dumped["last"],)
        except (TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"no state of a lookout: {error}") from None
        return lookout

    def _outlook(
        self, seen: Observation, verdict: Verdict, trends: tuple[Trend, ...], leaks: tuple[Leak, ...]
    ) -> Outlook:
        """The verdict with who is behind it: a leak that was seen to stay names itself, else what isn't usual does."""
        change = per_hour = destination = local_port = None
        grown = self._detector.leak
        if verdict.pattern in ALARM_PATTERNS:
            difference = (verdict.seen or 0.0) - (verdict.expected or 0.0)
            if verdict.pattern == "slow_leak" and leaks:
                verdict = verdict._replace(grew=leaks[0].state, holder=leaks[0].holder)
                per_hour = leaks[0].per_hour
                change = float(leaks[0].sockets)
            elif verdict.pattern == "slow_leak" and grown:
                per_hour = 3600 * grown.per_second if grown.per_second > 0 else None  # it may come to a stand
                change = grown.sockets
            else:
                verdict = verdict._replace(grew=self._usual.state(difference))
                change = self._usual.change(verdict.grew) if verdict.grew else None
            if verdict.grew:
                verdict = verdict._replace(holder=verdict.holder or self._holder(verdict.pattern, verdict.grew))
            destination, local_port = self._usual.destination(difference), self._usual.local_port(difference)
        return Outlook(
            seen.wall_seconds,
            seen.boottime_seconds,
            seen.boot_id,
            seen.netns_cookie,
            verdict,
            change,
            per_hour,
            destination,
            local_port,
            trends,
            leaks,
        )

    def _holder(self, pattern: str, grew: str) -> str | None:
        """Who is behind it: who was found first, for as long as it lasts."""
        what, holder = self._behind
        if what != f"{pattern} {grew}" or holder is None:
            self._behind = f"{pattern} {grew}", self._usual.holder(grew)
        return self._behind[1]

    def _pattern_change(self, outlook: Outlook) -> Iterator[Change]:
        """An alarm is said at once, another one or the end of it when it has lasted."""
        before = self._pattern.case
        alarm = outlook.verdict.pattern if outlook.alarm else ""
        if self._pattern.see(alarm, _SETTLED_ROWS if before else 1):
            yield Change(outlook.verdict.pattern, before or None, None)


def _together(leaks: Sequence[Leak]) -> SlowLeak | None:
    """The leaks that were seen to stay as one growth, which is known as well as that many sockets let it be."""
    if not leaks:
        return None
    sockets, per_second = sum(leak.sockets for leak in leaks), sum(leak.per_hour for leak in leaks) / 3600
    surely = math.sqrt(sockets)
    return SlowLeak(leaks[0].state, min(leak.since for leak in leaks), sockets, per_second, per_second / surely, surely)


def _of_note(verdict: Verdict, seen: Observation, leaks: Sequence[Leak]) -> Verdict:
    """The verdict without the noise after a boot or of a few connections, and with leaks that were seen to stay."""
    if verdict.pattern in ALARM_PATTERNS and seen.boottime_seconds < QUIET_SECONDS:
        verdict = verdict._replace(pattern="insufficient_data", since=None, grew=None)
    elif verdict.pattern in ALARM_PATTERNS and _is_little(verdict):
        verdict = verdict._replace(pattern="normal", since=None, grew=None)
    if leaks and (verdict.pattern not in ALARM_PATTERNS or _is_leaked(verdict, leaks)):
        verdict = verdict._replace(pattern="slow_leak", since=leaks[0].since)
    return verdict


def _is_little(verdict: Verdict) -> bool:
    """Whether it is about so few connections that chance may do it."""
    expected, seen = verdict.expected or 0.0, verdict.seen or 0.0
    if verdict.pattern == "slow_leak" and seen - expected < levels.MINIMUM_LEAKED:
        return True
    return max(expected, seen) < levels.MINIMUM_CONNECTIONS


def _is_leaked(verdict: Verdict, leaks: Sequence[Leak]) -> bool:
    """Whether a sudden rise is what leaks; a flood is not, though something leaks meanwhile."""
    rise = (verdict.seen or 0.0) - (verdict.expected or 0.0)
    sudden = verdict.pattern in ("rapid_increase", "level_shift")
    return sudden and 0 < _LEAKED_SHARE * rise <= sum(leak.sockets for leak in leaks)
