"""Finds slow leaks: sockets that pile up over hours, with the traffic taken out.

By Little's law (Little 1961) ESTABLISHED and TIME_WAIT both follow the arrival rate, so the logarithm of ESTABLISHED
is a line in that of TIME_WAIT, but for durations that wander over hours; CLOSE_WAIT hardly knows traffic. Each is
followed in blocks of ten samples (onsets.py), and growth that stands far enough out of its noise is a leak. It ends
when half of what has piled up is gone, or when it is no longer seen to grow.
"""

import math
from collections.abc import Mapping
from math import inf
from typing import Any

from tcptide.detection.onsets import Base, Follower, Kind, Onset
from tcptide.record import NamedTuple

BLOCK_SAMPLES = 10
BLOCK_SECONDS = (60.0, 600.0)  # at least and at most, but never less than two samples
CUT = 5  # the highest fifth of a block's samples is cut off: bursts
WANDER_SECONDS = 10800.0  # how long connections that last longer or shorter stay so
WANDER = 0.05  # how far, as a share, to start with
UNEXPLAINED = 0.2  # and where TIME_WAIT says little of the traffic: a day's swing
TELLING = 3.0  # TIME_WAIT that says half as much as it could
TOLD = 10.0  # times as much, and it says enough
MOST = 1e12  # sockets
OFFSET = 2.0  # added before a logarithm, so that an idle host has one
AGREEING = 2  # blocks in a row
EVENT_SECONDS = 900.0  # an event this long may have left another level
KEPT = 0.5  # of what had piled up at most: with less it is gone
GONE_SAMPLES = 5  # in a row, so that one odd sample is not the end
STALLED = 0.25  # of its mean rate: with less, give or take a standard error, it grows no more
SLOWER = 0.2  # a leak's rate changes by about this share while its age doubles
FOLLOWS = 1.5  # times its share of the connections: CLOSE_WAIT that doesn't become more is no leak
CHANCE = 3.0  # square roots of it
TOGETHER = 6.0  # neighbouring blocks' errors are one another's, so that each counts for less

KINDS = (
    Kind("CLOSE_WAIT", False, 0.0, 0.0, least_wander=0.001, threshold=7.0, least=3.0, share=0.015),
    Kind("ESTABLISHED", True, 0.9, 0.3, least_wander=0.02, threshold=7.0, least=5.0, share=0.13),
)
STATES = ("ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT")
#: What the constructor makes, and a dump needn't hold.
_GIVEN = ("interval", "sensitivity", "span", "memory", "followers")


class SlowLeak(NamedTuple):
    """Sockets of one state that pile up."""

    state: str  # 'CLOSE_WAIT' or 'ESTABLISHED'
    since: float  # wall clock seconds of the onset, to about a block
    sockets: float  # that have piled up
    per_second: float  # now
    per_second_error: float  # its standard error
    evidence: float  # in standard deviations
    sure: bool = True  # traffic tells it from load; else only earlier days can


class Growth(NamedTuple):
    """A local linear trend (Harvey 1989): how much has piled up and how fast it grows, with their covariance."""

    size: float
    rate: float
    size_variance: float
    shared: float
    rate_variance: float

    def step(self, size: float, error: float, age: float) -> "Growth":
        """A block later; age in blocks."""
        expected, rr = self.size + self.rate, self.rate_variance + (SLOWER * self.rate) ** 2 / age
        vv, vr = self.size_variance + 2 * self.shared + rr, self.shared + rr
        total = vv + TOGETHER * error * error
        off = size - expected
        return Growth(
            expected + vv / total * off,
            self.rate + vr / total * off,
            vv - vv * vv / total,
            vr - vv * vr / total,
            rr - vr * vr / total,
        )


class LeakFinder:
    """Says at each sample whether sockets pile up. load(dump()) goes on as if it had not stopped."""

    def __init__(self, interval_seconds: float, sensitivity: float = 1.0) -> None:
        """sensitivity: multiplies the evidence that is asked for, so less finds more."""
        self.interval, self.sensitivity = float(interval_seconds), sensitivity
        least, most = BLOCK_SECONDS
        self.span = max(least, min(most, BLOCK_SAMPLES * interval_seconds), 2 * interval_seconds)
        self.memory = math.exp(-self.span / WANDER_SECONDS)
        self.seconds, self.block, self.until = 0.0, 0, self.span  # now, this block and its end
        self.samples: list[list[float]] = [[] for _ in STATES]  # of this block
        self.eventful = 0  # samples with another explanation, since the last block with enough others
        self.followers: list[Follower | None] = [None for _ in KINDS]
        self.origin = 0.0  # of the traffic's logarithm
        self.agreed = self.low = 0
        self.which: int | None = None  # of KINDS
        self.onset: Onset | None = None
        self.growth: Growth | None = None
        self.peak = 0.0  # of its size
        self.found: SlowLeak | None = None

    def update(
        self,
        wall_seconds: float,
        elapsed_seconds: float | None,
        states: Mapping[str, float],
        event: bool = False,
        restarted: bool = False,
    ) -> SlowLeak | None:
        """The leak that goes on, if any, by one more sample.

        elapsed_seconds: since the sample before; None or less than nothing: not known. event: this sample has another
        explanation. restarted: no connection of the sample before is left.
        """
        if elapsed_seconds is None or not 0.0 <= elapsed_seconds < inf:
            elapsed_seconds = self.interval
        self.seconds += elapsed_seconds
        if restarted:
            self._end()
        if self.seconds >= self.until:
            self._close()
            self.block = int(self.seconds // self.span)
            self.until = (self.block + 1) * self.span
        if event:
            self.eventful += 1
        else:
            established, time_wait, close_wait = self.samples
            established.append(states.get("ESTABLISHED", 0.0))
            time_wait.append(states.get("TIME_WAIT", 0.0))
            close_wait.append(states.get("CLOSE_WAIT", 0.0))
        if self.onset is not None:
            self._follow(states, wall_seconds, self.onset)
        return self.found

    def _follow(self, states: Mapping[str, float], wall_seconds: float, onset: Onset) -> None:
        """Look whether the leak is still there, and say how large it is."""
        kind, growth = KINDS[self.which or 0], self.growth
        now = [_possible(states.get(state, 0.0)) for state in STATES]
        self.low = self.low + 1 if self._above(kind, onset.base, *now) < KEPT * self.peak else 0
        if self.low >= GONE_SAMPLES:
            self._end()
        elif growth is not None and (not self.low or self.found is None):
            blocks = self.seconds / self.span
            since = wall_seconds - (blocks - onset.block) * self.span
            size = max(0.0, growth.size + growth.rate * (blocks - self.block - 1))
            rate, error = growth.rate / self.span, math.sqrt(max(0.0, growth.rate_variance)) / self.span
            sure = not kind.logarithm or now[1] > TOLD * TELLING
            self.found = SlowLeak(kind.state, since, size, rate, error, onset.evidence, sure)

    def _above(self, kind: Kind, base: Base, established: float, time_wait: float, close_wait: float) -> float:
        """Sockets above the base."""
        if not kind.logarithm:
            return close_wait - base.at(0.0)
        return established + OFFSET - _exp(base.at(math.log(time_wait + OFFSET) - self.origin))

    def _end(self) -> None:
        for i, follower in enumerate(self.followers):
            if follower is not None:
                follower.forget(self.onset.base if self.onset is not None and i == self.which else None)
        self.which = self.onset = self.growth = self.found = None
        self.peak, self.agreed, self.low = 0.0, 0, 0

    def _close(self) -> None:
        """Take a block in, if enough of it has no other explanation."""
        samples, self.samples = self.samples, [[] for _ in STATES]
        n = len(samples[0])
        if n * 2 < min(BLOCK_SAMPLES, self.span / self.interval):
            return
        jumped, self.eventful = self.eventful * self.interval >= EVENT_SECONDS, 0
        keep = n - n // CUT
        now = [_possible(sum(sorted(each)[:keep]) / keep) for each in samples]
        onsets = (self._step_close_wait(n, jumped, *now), self._step_established(n, jumped, *now))
        if self.onset is not None and self.growth is not None and self.which is not None:
            kind, onset, base = KINDS[self.which], onsets[self.which], self.onset.base
            base = base._replace(drift=base.drift * self.memory)
            if onset is None:
                self._end()
                return
            # Since when it grows is seen best when it is found: later the filter has learnt some of it.
            self.onset = onset = onset._replace(block=self.onset.block, base=base)
            size, follower = self._above(kind, base, *now), self.followers[self.which]
            error = math.sqrt((follower.wander if follower else 0.0) + 1e-4)
            error = 1 + error * (max(now[0] - size, 0.0) + OFFSET if kind.logarithm else 1.0)
            self.growth = self.growth.step(size, error, max(1.0, self.block - onset.block))
            self.peak = max(self.peak, self.growth.size)
            size, rate, *_, rate_variance = self.growth
            usual = self.peak / max(1, self.block - onset.block)
            if size < KEPT * self.peak or rate + math.sqrt(max(0.0, rate_variance)) < STALLED * usual:
                self._end()
            return
        for i, (kind, onset) in enumerate(zip(KINDS, onsets, strict=True)):
            strong = onset is not None and onset.evidence > kind.threshold * self.sensitivity
            if onset is not None and strong and not _is_load(kind, onset, *now):
                self.agreed += 1
                if self.agreed >= AGREEING:
                    self.which, self.onset = i, onset
                    size = onset.per_block * (self.block - onset.block)
                    self.peak = size
                    self.growth = Growth(size, onset.per_block, (0.1 * size) ** 2, 0.0, onset.error**2)
                return
        self.agreed = 0

    def _step_close_wait(
        self, n: int, jumped: bool, established: float, time_wait: float, close_wait: float
    ) -> Onset | None:
        """Follow CLOSE_WAIT by a block of n samples; since when it grows, by now."""
        follower = self.followers[0]
        if follower is None:
            if not close_wait:
                return None  # as on most hosts for most of the time
            spread, wander = 1 + (close_wait + 1) / n, 0.15 + 0.05 * close_wait
            follower = self.followers[0] = Follower(KINDS[0], self.memory, close_wait, spread, wander)
            follower.block = self.block
        if jumped:
            follower.jump(close_wait)
        variance = (max(follower.base[0], 0.5 * close_wait, 0.0) + 0.5) / n
        share = close_wait / (established + time_wait + OFFSET)
        follower.step(self.block, close_wait, 0.0, variance, 1.0, self._learns(), share)
        return follower.best(established + time_wait + close_wait)

    def _step_established(
        self, n: int, jumped: bool, established: float, time_wait: float, close_wait: float
    ) -> Onset | None:
        """Follow ESTABLISHED by a block of n samples; since when it grows, by now."""
        much, shown = established + OFFSET, time_wait + OFFSET
        value, traffic = math.log(much), math.log(shown)
        follower = self.followers[1]
        if follower is None:
            self.origin = traffic
            unexplained = UNEXPLAINED / math.hypot(1, time_wait / TELLING)
            share = established / much  # of a change in the count, in its logarithm
            wander = 0.01 + share * math.hypot(WANDER, unexplained)
            follower = self.followers[1] = Follower(KINDS[1], self.memory, value, 1.0, wander)
            follower.block = self.block
        if jumped:
            follower.jump(value)
        traffic -= self.origin
        usual = _exp(follower.at(traffic))
        unit = 1.0 / math.sqrt(max(much, 0.5 * usual) * usual)
        variance = (established / (much * much) + time_wait / (shown * shown)) / n + 1e-6  # as Poisson's do
        follower.step(self.block, value, traffic, variance, unit, self._learns(), 0.0)
        return follower.best(established + time_wait + close_wait)

    def _learns(self) -> bool:
        """Whether what is seen is usual."""
        return self.onset is None and not self.agreed

    def dump(self) -> dict[str, Any]:
        """What load() needs, as JSON."""
        state = {key: value for key, value in vars(self).items() if key not in _GIVEN}
        return state | {"followers": [None if each is None else each.dump() for each in self.followers]}

    @classmethod
    def load(cls, interval_seconds: float, sensitivity: float, dumped: Mapping[str, Any]) -> "LeakFinder":
        """Go on from a dump. Raises ValueError for what isn't one."""
        finder = cls(interval_seconds, sensitivity)
        try:
            state = dict(dumped)
            for i, (kind, inner) in enumerate(zip(KINDS, state.pop("followers"), strict=True)):
                if inner is not None:
                    follower = finder.followers[i] = Follower(kind, finder.memory, 0.0, 1.0, 1.0)
                    follower.load(inner)
            if state.keys() != vars(finder).keys() - set(_GIVEN):
                raise ValueError
            vars(finder).update(state)
            if finder.onset is not None and finder.growth is not None:
                finder.onset = Onset(*finder.onset)._replace(base=Base(*finder.onset[4]))
                finder.growth = Growth(*finder.growth)
            finder.found = None if finder.found is None else SlowLeak(*finder.found)
        except (TypeError, ValueError, LookupError, AttributeError):
            raise ValueError("no dump of a leak finder") from None
        return finder


def _is_load(kind: Kind, onset: Onset, established: float, time_wait: float, close_wait: float) -> bool:
    """Whether CLOSE_WAIT has only become more as all connections have: a program closes with some delay."""
    usual = onset.share * (established + time_wait)
    return not kind.logarithm and close_wait < FOLLOWS * usual + CHANCE * math.sqrt(usual + 1)


def _possible(count: float) -> float:
    """The count, or the nearest that can be."""
    return min(max(count, 0.0), MOST)


def _exp(value: float) -> float:
    return math.exp(min(max(value, -40.0), 40.0))
