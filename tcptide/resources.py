"""How what can run out is growing: connections, conntrack, TIME_WAIT, and ports towards the fullest destinations."""

import math
from collections.abc import Iterator
from typing import Any

from tcptide.detection.leaks import SlowLeak
from tcptide.forecast import Trend, forecast
from tcptide.model import Forecast
from tcptide.observation import Observation, Settled
from tcptide.outlook import LEAKING, PRESSING_SECONDS, REACH_SECONDS, RESOURCES, USED_SHARE, Pressing
from tcptide.tracker import Tracker

#: What has a limit is watched from this fill on; connections, whose limit only a check may know, always.
WATCHED_SHARE = 0.01

_OF_THE_HOST = tuple(name for name, _, _ in RESOURCES)
_DESTINATIONS = 8  # at most; five are in a row's top list
_FORGOTTEN_ROWS = 60  # a destination that so many rows in turn have not shown

_NEAR = "near"
_NEAR_ROWS = 3  # that a limit has to be in reach before it is said
_FAR_ROWS = 10  # and out of reach
_FAR = 1.5  # times the reach: what is near stays so until here
_NEARLY_FULL = 0.8  # of a limit: it stays near, whether or not it grows
_SURE = 2.0  # times the reach: what comes near will be full by then, four times out of five

_STILL_USED = 0.9  # times USED_SHARE: what is pressing stays so down to here


class _Watched:
    """One resource."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.boottime_seconds: float | None = None  # of the last row of this boot that showed it
        self.missed_rows = 0  # since then
        self.reach = Settled()
        self.pressing = Settled()


class Resources:
    """What can run out, row by row."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._watched: dict[str, _Watched] = {}

    def update(self, seen: Observation, restarted: bool, leak: SlowLeak | None) -> tuple[Trend, ...]:
        """Take in a row; what grows of what it shows, in its order.

        restarted: another boot or namespace. leak: what leaks of the connections, and so of conntrack's.
        """
        for name, one in self._watched.items():
            one.boottime_seconds = None if restarted else one.boottime_seconds
            one.missed_rows = 0 if name in seen.used else one.missed_rows + 1
        trends = []
        for name, used in seen.used.items():
            known = self._watched.get(name)
            if known is None:
                if name != "connections" and used < WATCHED_SHARE * seen.limits.get(name, math.inf):
                    continue
                known = self._watched[name] = _Watched(Tracker(self._interval))
            last, known.boottime_seconds = known.boottime_seconds, seen.boottime_seconds
            elapsed = None if last is None else seen.boottime_seconds - last
            known.tracker.update(
                seen.wall_seconds,
                used,
                elapsed_seconds=elapsed,
                restarted=last is None,
                leak=leak if name in LEAKING else None,
            )
            trend = known.tracker.trend(name)
            if trend is not None:
                trends.append(trend)
        self._forget()
        return tuple(trends)

    def change_interval(self, interval_seconds: float) -> None:
        """Rows come so far apart from now on."""
        self._interval = interval_seconds
        for one in self._watched.values():
            one.tracker.change_interval(interval_seconds)

    def reach(self, seen: Observation, trends: tuple[Trend, ...]) -> Iterator[Forecast]:
        """The forecast of what comes into reach with this row; without seconds, of what no longer is."""
        ahead = {one.resource: one for one in trends}
        for name, one in self._watched.items():
            limit = seen.limits.get(name)
            found = forecast(ahead.get(name), name, limit, seen.wall_seconds)
            near = _near(found, bool(one.reach.case), seen.used.get(name, 0.0) / limit if limit else 0.0)
            if one.reach.see(_NEAR if near else "", _NEAR_ROWS if near else _FAR_ROWS):
                yield found if near else found._replace(seconds=None)

    def pressing(self, seen: Observation, trends: tuple[Trend, ...]) -> tuple[Pressing, ...]:
        """How pressing each limit is that is known, as of this row."""
        ahead = {one.resource: one for one in trends}
        found = []
        for name, one in self._watched.items():
            limit, trend, was = seen.limits.get(name), ahead.get(name), one.pressing.case
            case = _how_pressing(forecast(trend, name, limit, seen.wall_seconds), trend, limit, was)
            one.pressing.see(case, _NEAR_ROWS if len(case) > len(was) else _FAR_ROWS)
            if limit:
                found.append(Pressing(name, limit, len(one.pressing.case)))
        return tuple(found)

    def dump(self) -> dict[str, Any]:
        """What load() goes on from, JSON-ready."""
        return {
            name: [one.boottime_seconds, one.missed_rows, one.reach.dump(), one.pressing.dump(), one.tracker.dump()]
            for name, one in self._watched.items()
        }

    @classmethod
    def load(cls, interval_seconds: float, dumped: Any) -> "Resources":
        """Raises ValueError or TypeError for what isn't a dump."""
        resources = cls(interval_seconds)
        for name, (boottime_seconds, missed_rows, reach, pressing, tracker) in dict(dumped).items():
            one = resources._watched[name] = _Watched(Tracker.load(tracker))
            one.boottime_seconds, one.missed_rows = boottime_seconds, missed_rows
            one.reach, one.pressing = Settled(*reach), Settled(*pressing)
        return resources

    def _forget(self) -> None:
        """Drop destinations that have long been out of sight, and the longest so when there are too many."""
        destinations = [name for name in self._watched if name not in _OF_THE_HOST]
        destinations.sort(key=lambda name: self._watched[name].missed_rows)
        for place, name in enumerate(destinations):
            if place >= _DESTINATIONS or self._watched[name].missed_rows > _FORGOTTEN_ROWS:
                del self._watched[name]


def _near(found: Forecast, was_near: bool, used_share: float) -> bool:
    if was_near and used_share >= _NEARLY_FULL:
        return True
    if found.seconds is None:
        return False
    if was_near:
        return found.seconds <= _FAR * REACH_SECONDS
    return found.seconds <= REACH_SECONDS and found.high is not None and found.high <= _SURE * REACH_SECONDS


def _how_pressing(found: Forecast, trend: Trend | None, limit: float | None, was: str) -> str:
    """`!` for each of PRESSING_SECONDS that the limit is within; what was so stays so until it clearly isn't."""
    if found.seconds is None or trend is None or not limit:
        return ""
    if trend.used < USED_SHARE * (_STILL_USED if was else 1) * limit:
        return ""
    within = (found.seconds <= each * (_FAR if level < len(was) else 1) for level, each in enumerate(PRESSING_SECONDS))
    return "!" * sum(within)
