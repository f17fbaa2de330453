"""Ramps: a series that rises steadily, seen within ten points at the resolution that suits it.

A ramp is a line that stands far out of its noise (least squares; the standard error widened for residuals that depend
on each other, von Storch and Zwiers 1999) and out of how much the series usually changes in such a time, and in which
no single step is most of the rise. How it bends is weighed against a guess that it hardly does. Pure; times in seconds
by any steady clock.
"""

import math
from collections.abc import Callable
from operator import mul, sub
from typing import Any

from tcptide.record import NamedTuple

WINDOWS = (10, 24)  # a ramp is looked for in so few points of a resolution, and followed in so many
WIDER = 4  # points of one resolution make one of the next
EVERY = 2  # points, a ramp is looked for: most of a window is in the next one as well
WIDEST_SECONDS = 1200.0  # from a point to the next
EVIDENCE = 8.0  # standard errors that a slope must stand out
UNUSUAL = 6.0  # times the usual change in such a time
USUAL_TIMES = 12  # what is usual is learnt over so many of them, and from a window whenever there is a wider point
SHARE, LEAST = 0.05, 10.0  # of the value, and units, that a ramp must have risen
HALF = (0.2, 0.75)  # of the rise lies in the first half
ONE_STEP = 0.5  # of the rise, at most, is between two points
LEAST_DEPENDENCE, MOST_DEPENDENCE = 0.3, 0.85  # of a residual on the one before
BENT = 0.2  # a rise goes like (its age) ** power: how far the power is from 1, one standard deviation
BENT_DEPENDENCE = 3.0  # noise that depends on itself looks bent: times the variance
SURE = 0.03  # no slope is known better
OWN_SHARE = 0.6  # of the slope that the same time of yesterday did not have
SLOW_SECONDS = 2700.0  # a longer rise may be the time of day; while there is no yesterday it must be straight:
ARC = (-0.05, 0.1)  # the second half's share of the rise, beyond a half
AGREEING = 2.0  # standard errors
LAG_PACE, NOISE_PACE = 0.15, 0.05  # how fast a ramp's lag and noise follow, a sample
LAGGING, LAG_SHARE = 2.5, 0.1  # a ramp is over if the value is so many times its noise and this share of the rise away


class Ramp(NamedTuple):
    """A steady rise as seen in one window."""

    start: float
    end: float
    slope: float  # per second, at the end; beyond yesterday's, if that is known
    slope_error: float
    value: float  # on the line, at the end
    noise: float  # standard deviation of a point
    power: float
    power_error: float
    arc: float  # the second half's share of the rise, beyond a half
    compared: bool  # with yesterday

    def at(self, seconds: float) -> float:
        """The line's value."""
        return self.value + self.slope * (seconds - self.end)


class _Resolution:
    """The newest points of one resolution, and what is usual over its two windows."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        self.taken = 0  # since the last break
        self.usual = [0.0, 0.0]  # change
        self.gates = [LEAST, LEAST]  # change that is worth a look

    def clear(self) -> None:
        """What comes next is not a continuation."""
        self.times, self.values, self.taken = [], [], 0

    def learn(self) -> None:
        """What is usual; each now and then, since most of a window is in the next one as well."""
        values, times = self.values, self.taken // WIDER
        if times > USUAL_TIMES:
            times = USUAL_TIMES
        newest, n = values[-1] + values[-2], len(values)
        few, many = WINDOWS
        if n >= few:
            usual = self.usual[0] = _followed(self.usual[0], newest - values[-few] - values[1 - few], times)
            self.gates[0] = _gate(usual)
        if n >= many:
            usual = self.usual[1] = _followed(self.usual[1], newest - values[-many] - values[1 - many], times)
            self.gates[1] = _gate(usual)

    def dump(self) -> list[Any]:
        """What load() needs, as JSON."""
        return [self.times[-WINDOWS[1] :], self.values[-WINDOWS[1] :], self.taken, self.usual]

    def load(self, dumped: list[Any]) -> None:
        """Go on from a dump. Raises ValueError or TypeError for what isn't one."""
        self.times, self.values, self.taken, self.usual = dumped
        self.gates = [_gate(usual) for usual in self.usual]


class Ramps:
    """Looks for ramps in a series at several resolutions at once."""

    def __init__(self, interval_seconds: float) -> None:
        wider = int(math.log(max(1.0, WIDEST_SECONDS / interval_seconds), WIDER))
        self.resolutions = [_Resolution() for _ in range(1 + wider)]
        self.ramps: dict[str, Ramp] = {}  # by window
        self.onset: float | None = None  # of what rises now
        self.low = 0.0  # the value there
        self.lag = self.noise = 0.0  # of the value against the best ramp

    def clear(self) -> None:
        """What comes next is not a continuation."""
        for resolution in self.resolutions:
            resolution.clear()
        self.drop(lambda _: True)

    def drop(self, wrong: Callable[[Ramp], bool]) -> None:
        """Ramps that are none."""
        self.ramps = {window: ramp for window, ramp in self.ramps.items() if not wrong(ramp)}
        self.lag = 0.0
        if not self.ramps:
            self.onset = None

    def best(self) -> Ramp | None:
        """The rise that goes on, if one does: what is known best of those that the shortest window agrees with."""
        if not self.ramps:
            return None
        now = min(self.ramps.values(), key=lambda ramp: ramp.end - ramp.start)
        agreeing = (
            ramp
            for ramp in self.ramps.values()
            if abs(ramp.slope - now.slope) <= AGREEING * math.hypot(ramp.slope_error, now.slope_error)
        )
        return min(agreeing, key=lambda ramp: ramp.slope_error)

    def take(self, seconds: float, value: float, yesterday: Callable[[float, float], float | None]) -> None:
        """A sample; yesterday(start, end): how fast it rose then, a day before, if known."""
        if self.ramps:
            self._follow(seconds, value)
        seconds = (10.0 * seconds + 0.5) // 1.0 / 10.0  # tenths() without a call
        few, many = WINDOWS
        window = 0
        for resolution in self.resolutions:
            times, values = resolution.times, resolution.values
            times.append(seconds)
            values.append(value)
            taken = resolution.taken = resolution.taken + 1
            if taken % EVERY and not self.ramps:
                return
            n = len(values)
            if n >= few:
                newest, (few_gate, many_gate) = value + values[-2], resolution.gates
                if self.ramps or newest - values[-few] - values[1 - few] > 2.0 * few_gate:
                    self._look(window, resolution, few, yesterday)
                if self.onset is not None:  # as much of it as there is
                    points = many
                    if n < many or times[-many] < self.onset:
                        points = max(few + 1, sum([each >= self.onset for each in times]))
                    if n >= points:
                        self._look(window + 1, resolution, points, yesterday)
                elif n >= many and newest - values[-many] - values[1 - many] > 2.0 * many_gate:
                    self._look(window + 1, resolution, many, yesterday)
            if taken % WIDER:
                return
            if self.onset is None:
                resolution.learn()
            if n >= 2 * many:
                del times[:-many], values[:-many]
            seconds, value = tenths(sum(times[-WIDER:]) / WIDER), tenths(sum(values[-WIDER:]) / WIDER)
            window += 2

    def _follow(self, seconds: float, value: float) -> None:
        """How far a sample is from the best ramp, which is over if it is too far."""
        ramp = self.best()
        if ramp is not None:
            away = value - ramp.at(seconds)
            self.lag += LAG_PACE * (away - self.lag)
            self.noise += NOISE_PACE * (min(abs(away - self.lag), 5 * self.noise + 5) - self.noise)
            if abs(self.lag) > max(LAGGING * self.noise, LAG_SHARE * ramp.slope * (ramp.end - ramp.start)):
                self.drop(lambda each: each is ramp)

    def _look(
        self,
        window: int,
        resolution: _Resolution,
        points: int,
        yesterday: Callable[[float, float], float | None],
    ) -> None:
        """Look for a ramp in the newest points."""
        times, values = resolution.times[-points:], resolution.values[-points:]
        change = (values[-1] + values[-2] - values[0] - values[1]) * 0.5
        ramp = None
        if change > resolution.gates[window % 2] and change > SHARE * values[-1]:
            ramp = line(times, values, times[-1] - (times[0] if self.onset is None else self.onset))
        if ramp is not None:
            before = yesterday(ramp.start, ramp.end)
            if before is not None:
                ramp = ramp._replace(slope=ramp.slope - before, compared=True)
                ramp = ramp if ramp.slope > OWN_SHARE * (ramp.slope + before) else None
            elif ramp.end - ramp.start > SLOW_SECONDS and not ARC[0] < ramp.arc < ARC[1]:
                ramp = None
        if ramp is not None:
            self.ramps[str(window)] = ramp
            if self.onset is None:
                self.onset, self.low, self.lag, self.noise = times[0], values[0], 0.0, 0.8 * ramp.noise
        elif self.ramps.pop(str(window), None) is not None and not self.ramps:
            self.onset = None

    def dump(self) -> list[Any]:
        """What load() needs, as JSON."""
        return [[each.dump() for each in self.resolutions], *list(vars(self).values())[1:]]

    def load(self, dumped: list[Any]) -> None:
        """Go on from a dump. Raises ValueError, TypeError or AttributeError for what isn't one."""
        resolutions, *others = dumped
        for resolution, each in zip(self.resolutions, resolutions, strict=True):
            resolution.load(each)
        vars(self).update(zip(list(vars(self))[1:], others, strict=True))
        self.ramps = {window: Ramp(*ramp) for window, ramp in self.ramps.items()}


def _gate(usual: float) -> float:
    """The change that is worth a look."""
    unusual = UNUSUAL * usual
    return unusual if unusual > LEAST else LEAST


def _followed(usual: float, twice: float, times: int) -> float:
    """What is usual after one more change, of which this is twice; one that stands out teaches less."""
    size, most = abs(twice) * 0.5, 3.0 * usual + LEAST
    return usual + ((size if size < most else most) - usual) / (times if usual else 1)


def tenths(value: float) -> float:
    """Rounded, so that it is short as JSON; round() takes longer than all else that is done with a point."""
    return (10.0 * value + 0.5) // 1.0 / 10.0


def line(times: list[float], values: list[float], age: float) -> Ramp | None:
    """The steady rise through the points, of what has risen for `age` seconds; None if it is none."""
    n = len(times)
    rise, first_half = values[-1] - values[0], values[n // 2] - values[0]
    if not HALF[0] * rise < first_half < HALF[1] * rise or max(map(sub, values[1:], values)) > ONE_STEP * rise:
        return None
    t, v = sum(times) / n, sum(values) / n
    offs = [each - t for each in times]
    square = sum(map(mul, offs, offs))
    slope = sum(map(mul, offs, values)) / square
    skew = sum(each**3 for each in offs) / square  # samples are seldom evenly apart, and an arc must hold no slope
    arcs = [each * each - square / n - skew * each for each in offs]
    arch = sum(map(mul, arcs, arcs))
    bend = sum(map(mul, arcs, values)) / arch
    rest = [value - v - slope * off - bend * arc for value, off, arc in zip(values, offs, arcs, strict=True)]
    power = sum(map(mul, rest, rest)) + 1e-9
    depend = sum(map(mul, rest[1:], rest)) / power
    depend += (1 + 4 * depend) / n  # which so few points hide (Kendall 1954)
    depend = min(MOST_DEPENDENCE, max(LEAST_DEPENDENCE, depend))
    noise = math.sqrt(power / (n - 3))
    wide = noise * math.sqrt((1 + depend) / (1 - depend)) * (1 + 0.75 / (n - 3))  # a t distribution is wider
    error = wide / math.sqrt(square)
    if slope < EVIDENCE * error:
        return None
    age = max(age, times[-1] - times[0])
    arc = bend * (times[-1] - times[0]) / (4 * slope)
    likely, seen = (BENT * slope / (2 * age)) ** 2, BENT_DEPENDENCE * wide * wide / arch
    bend *= likely / (likely + seen)
    left = math.sqrt(likely * seen / (likely + seen))
    last = offs[-1]
    turn = 2 * last - skew
    at_end = slope + bend * turn
    return Ramp(
        *(times[0], times[-1], at_end, math.hypot(error, left * turn, SURE * at_end)),
        *(v + slope * last + bend * arcs[-1], noise, 1 + 2 * bend * age / at_end, 2 * left * age / slope),
        *(arc, False),
    )
