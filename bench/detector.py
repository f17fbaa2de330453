"""The shipped detector and forecast behind the interface of public and private benchmarks of series.

`factory(meta)` gives an object whose update(t, states) is called for each sample, oldest first; meta: {"interval":
seconds, "limit": number or None}, t: epoch seconds, states: sockets by state. The answer is a dict with "class", and
with a limit "ttl", "lo", "hi": seconds until the sum of the states reaches it, and the 80 % interval.
"""

from collections.abc import Mapping
from math import nan
from typing import Any

from tcptide.forecast import forecast
from tcptide.model import Forecast
from tcptide.patterns import Detector
from tcptide.tracker import Tracker

#: A forecast is made anew after this time, or when a leak begins or ends; meanwhile its times only pass.
_FORECAST_SECONDS = 600.0


class Judge:
    """One series."""

    def __init__(self, interval_seconds: float, limit: float | None, sensitivity: str = "quiet") -> None:
        self._detector = Detector(interval_seconds, sensitivity)
        self._tracker = Tracker(interval_seconds)
        self._limit = limit
        self._before = nan
        self._forecast = Forecast("connections", None, None, None, "no growth")
        self._made = 0.0
        self._leaking = False

    def update(self, t: float, states: Mapping[str, float]) -> str | dict[str, Any]:
        """The verdict on one sample; only the class where no limit will be reached."""
        t = float(t)
        verdict = self._detector.update(t, states)
        if not self._limit:
            return verdict.pattern
        leak = self._detector.leak
        self._tracker.update(t, verdict.seen, t - self._before, False, leak)
        self._before = t
        if (leak is None) is self._leaking or not self._made <= t < self._made + _FORECAST_SECONDS:
            self._forecast = forecast(self._tracker.trend("connections"), "connections", self._limit, t)
            self._made, self._leaking = t, leak is not None
        if self._forecast.seconds is None:
            return verdict.pattern
        passed = t - self._made
        left = [None if each is None else max(0.0, each - passed) for each in self._forecast[1:4]]
        return {"class": verdict.pattern, **dict(zip(("ttl", "lo", "hi"), left, strict=True))}


def factory(meta: Mapping[str, Any]) -> Judge:
    """A judge with the default sensitivity."""
    return Judge(meta["interval"], meta["limit"])
