"""Sudden changes of a count: floods, outages, lasting shifts and spikes.

The newest samples are held against the level before them, in several widths: the wider, the smaller a change can be and
still be seen. A change counts when it is large in units of the usual deviation, which is learnt; large for a count
(the square root of it is chance: Poisson); and large enough to matter. While an event lasts the level before it is
frozen, so that the way back is seen; after an hour's worth of samples the new level is the usual one.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from math import log, sqrt
from typing import TYPE_CHECKING, Any

from tcptide.detection.recurrence import DAY_SECONDS, Cycle, Days

if TYPE_CHECKING:  # few rows begin an event, and every check that adds a row loads this module
    from tcptide.detection.event import Event

BEFORE = 15  # samples that make the level before
FEWEST = 8  # with fewer nothing is said

#: Samples, how far their median must be off (in usual deviations), and how far each of them.
WIDTHS = ((1, 6.0, 0.0), (2, 5.0, 3.0), (3, 4.5, 3.0), (6, 3.8, 1.5))
#: The same for the widest, where each must show this share of the change. It has its own usual deviation.
LONG, LONG_OFF, LONG_SHARE = 12, 5.0, 0.5
LONG_FROM = 60  # samples of experience
KEPT = BEFORE + LONG  # samples

#: A single jump and what follows it for so many samples; it is this many times the usual step.
JUMP, JUMP_STEPS, JUMP_FROM = 6, 7.0, 20
_AFTER_JUMP, _BEFORE_JUMP = 1 - JUMP, -JUMP  # of the samples before the newest

#: A change between these is one that load alone makes within minutes, unless this share of it is in one step of at
#: least so many usual ones.
SLOW_UP, SLOW_DOWN = 1.9, 0.5
STEP_SHARE, STEP_TIMES = 0.5, 5.0

#: A deviation that nobody is surprised by: so many times the usual one, and this share of the level.
USUAL, LITTLE = 1.7, 0.03

#: What chance does to a count, in square roots of it.
CHANCE_UP, CHANCE_DOWN = 3.5, 4.0

#: What matters at all: by so much, and by so many sockets more or less.
UP_RATIO, UP_MORE, DOWN_RATIO, DOWN_LESS = 1.33, 3.0, 0.73, 2.0

#: What two samples can say of an outage.
GONE_RATIO = 0.35

#: What grows within this time of a fall, up to the level before it, comes back.
RECOVERS_SECONDS = 43200.0

#: An event that lasts for so many samples is the new level.
LASTS_SAMPLES = 56

#: Within this time of a flood or an outage that lasted, the level before it is the usual one still.
RECOVERY_SECONDS = 21600.0

#: A spike comes back at the same time of day, give or take this.
SPIKE_SECONDS = 300.0

#: Neighbouring samples say nearly the same: in one of so many the widest is looked at, and is it learnt what is usual.
LONG_EVERY, LEARN_EVERY = 6, 2

LEARN, LEARN_FIRST = 0.04, 3.0  # how fast the usual deviation follows, each time; faster at first
_LEARNT = LEARN_FIRST / LEARN - 5  # samples


class Steps:
    """Looks for sudden changes in one series. `factor` scales what a change must be: 1 is quiet, less is more eager."""

    def __init__(self, interval_seconds: float, factor: float = 1.0) -> None:
        self.interval_seconds = interval_seconds
        self.factor = factor
        self.level: float | None = None  # what is expected now; None while too little is known
        self.event: Event | None = None
        self.fell_from = 0.0  # the level before a fall that lasted, until it is reached again or long ago
        self._fell = 0
        self.explained = False  # the sample is part of a burst on time
        self.cycle = Cycle()
        self.days = Days(interval_seconds)
        self._reference: list[float] = []  # accepted samples, of which the newest KEPT count
        self._deviation = self._long_deviation = self._step = 0.0  # running medians of what is usual
        self._leap = 0.0  # a step of unusual size
        self._was: list[float] = []  # level and scale before the last event that became usual, and its number
        self._spikes: deque[tuple[float, float]] = deque(maxlen=40)  # when, and how high
        self._number = 0  # of the sample, by the time that passed
        self._experience = 0  # samples that were tested

    @property
    def samples(self) -> int:
        """Of the event that goes on."""
        return 1 if self.event is None else self.event.samples

    def is_unusual(self) -> bool:
        """Whether something goes on, if only at this time of day, or has become usual and may still go back."""
        if self.event is not None or self.explained:
            return True
        return bool(self._was) and self._may_go_back() and self.level is not None and not self._is_back(self.level)

    def calm(self) -> str:
        """The pattern where no event has a name."""
        if self.cycle.active:
            return "periodic"
        return "normal" if self.event is not None or len(self._reference) > FEWEST else "insufficient_data"

    def update(self, wall_seconds: float, passed: int | None, value: float, leaked: float = 0.0) -> str | None:
        """The name of the event that goes on, None without one.

        passed: intervals since the sample before; None for an unknown time, in which anything may have changed.
        leaked: sockets that a leak has, or lately had, left over.
        """
        if passed is None:
            self._reference = []
            self.event = self.level = None
            self.cycle.lose()
            passed = 1
        number = self._number = self._number + passed
        if self.fell_from and (
            value >= self.fell_from or (number - self._fell) * self.interval_seconds > RECOVERS_SECONDS
        ):
            self.fell_from = 0.0
        self.days.feed(wall_seconds, value)
        explained = self.explained = self.cycle.take(number, value, self._scale_before)
        if explained:
            return None if self.event is None else self.event.name()
        if self.event is not None:
            return self._go_on(self.event, wall_seconds, value)
        if len(self._reference) < FEWEST:
            self._reference.append(value)
            return None
        return self._test(wall_seconds, value, leaked)

    def _scale(self, level: float, deviation: float | None = None) -> float:
        """The usual deviation from a level: what was learnt, but at least chance, and what nobody cares about."""
        usual = USUAL * (self._deviation if deviation is None else deviation)
        chance, little = sqrt(level + 1.0), LITTLE * level
        least = chance if chance > little else little
        return usual if usual > least else least

    def _scale_before(self) -> float:
        """The usual deviation from the last accepted sample."""
        return self._scale(self._reference[-1]) if self._reference else 0.0

    def _test(self, wall_seconds: float, value: float, leaked: float) -> str | None:
        reference, level = self._reference, self.level
        experience = self._experience = self._experience + 1
        if level is None or experience % LEARN_EVERY:
            level = self.level = median(reference[-BEFORE:])
        before = reference[-1]
        change, chance, opened = value - level, sqrt(level + 1.0), None
        off = abs(change)
        if not experience % LONG_EVERY:
            del reference[:-KEPT]
            if len(reference) >= KEPT - 3:
                opened = self._long([*reference, value])
        if opened is None and abs(reference[_AFTER_JUMP] - reference[_BEFORE_JUMP]) > self._leap:
            opened = self._jump([*reference, value])
        if (
            opened is None
            and off >= chance
            and off >= USUAL * self._deviation
            and off >= LITTLE * level
            and (change * (before - level) > 0.0 or value >= SLOW_UP * level)
        ):
            opened = self._short([*reference, value], level)
        if opened is None:
            if experience % LEARN_EVERY:
                self._learn(off, abs(value - before), 0.2 * chance)
            reference.append(value)
            return None
        del reference[:-KEPT]
        new, level = opened
        for _ in range(min(len(new) - 1, len(reference))):
            reference.pop()
        seen = median(new)
        middle = (level + seen) / 2
        for _ in range(LONG - len(new)):
            if len(reference) <= FEWEST or (reference[-1] - middle) * (seen - level) <= 0:
                break
            new = [reference.pop(), *new]
        before = reference[-1] if reference else level
        from tcptide.detection.event import Event

        event = Event(level, self._scale(level), before, new, self._number, self.interval_seconds < 150)
        event.leaked = leaked
        event.recovery = self._is_recovery(level, seen) or event.is_leak_over(seen)
        begun = wall_seconds - len(new) * self.interval_seconds
        event.usual = event.recovery or self.days.explain(begun, level, seen)
        event.brief = self._spike_due(wall_seconds, seen - level)
        self.event, self.level = event, level
        return event.name()

    def _long(self, samples: list[float]) -> tuple[list[float], float] | None:
        """The new samples and the level before, if a dozen lie beyond it."""
        old, new = samples[-BEFORE - LONG : -LONG], samples[-LONG:]
        level, seen = median(old), median(new)
        change = seen - level
        off = change if change > 0.0 else max(-change, level * log((level + 1) / (seen + 1)))
        if (
            self._experience > LONG_FROM
            and off > self.factor * LONG_OFF * self._scale(level, self._long_deviation)
            and self._matters(level, seen)
            and _all_beyond(new, level, LONG_SHARE * change)
        ):
            ahead = seen - _ahead(old, LONG)
            if ahead * change > 0.0 and abs(ahead) > 0.5 * abs(change):
                return new, level
        pace = max(3 * LEARN, 2 * LEARN_FIRST / (self._experience + 5))
        self._long_deviation = _followed(self._long_deviation, abs(change), pace, 0.2 * sqrt(level + 1))
        return None

    def _jump(self, samples: list[float]) -> tuple[list[float], float] | None:
        """The same if one step of unusual size divides the newest samples from those before, and stays."""
        if self._experience <= JUMP_FROM or len(samples) <= JUMP + 5:
            return None
        step = samples[-JUMP] - samples[-JUMP - 1]
        old, new = samples[-JUMP - 5 : -JUMP], samples[-JUMP:]
        level, seen = median(old), median(new)
        change = seen - level
        apart = min(new) > max(old) if change > 0.0 else max(new) < min(old)
        if (
            apart
            and change * step > 0.0
            and abs(change) > 0.7 * abs(step)
            and self._matters(level, seen)
            and _all_beyond(new, level, 0.5 * change)
        ):
            return new, level
        return None

    def _short(self, samples: list[float], usual: float) -> tuple[list[float], float] | None:
        """The same if the newest few are far off; usual: the level by all but the newest one."""
        for width, far, each in WIDTHS:
            if (width == 1 and samples[-1] < SLOW_UP * usual) or (width == 2 and samples[-1] > SLOW_DOWN * usual):
                continue
            new = samples[-width:]
            if min(new) <= usual <= max(new):
                continue
            old = samples[-width - BEFORE : -width]
            if len(old) < FEWEST:
                return None
            level, seen = median(old), median(new)
            change, scale = seen - level, self._scale(level)
            if not _all_beyond(new, level, each * scale if change > 0.0 else -each * scale):
                continue
            if (width == 2 and max(new) > GONE_RATIO * level) or (width == 3 and change < 0.0 and seen > 0.3 * level):
                continue
            ahead = seen - _ahead(old, width)
            if ahead * change <= 0.0:
                continue
            off = min(abs(change), abs(ahead))
            if change < 0.0:
                least = max(0.0, min(level, seen - ahead))
                off = max(off, least * log((least + 1) / (seen + 1)))
            if off <= self.factor * far * scale or not self._matters(level, seen):
                continue
            if SLOW_DOWN * level < seen < SLOW_UP * level:
                tail = samples[-width - 2 :]
                steps = [after - before for before, after in pairwise(tail)]
                if (max(steps) if change > 0.0 else -min(steps)) < max(
                    STEP_SHARE * abs(change), STEP_TIMES * self._step
                ):
                    continue
            return new, level
        return None

    def _is_recovery(self, now: float, seen: float) -> bool:
        """Whether what comes after an event that had become usual leads from its level towards the one before it."""
        if not self._may_go_back():
            return False
        before = self._was[0]
        return self._is_back(seen) or min(now, before) < seen < max(now, before)

    def _may_go_back(self) -> bool:
        """Whether it is not long ago that a flood's or an outage's level became the usual one."""
        if not self._was:
            return False
        return (self._number - self._was[2]) * self.interval_seconds < RECOVERY_SECONDS

    def _is_back(self, seen: float) -> bool:
        """Whether this is the level before the event that had become usual, of which there is one."""
        level, scale, _ = self._was
        return abs(seen - level) < 3 * scale or level < 1.5 * seen < 2.25 * level

    def _spike_due(self, wall_seconds: float, height: float) -> bool:
        """Whether there was such a spike at this time of two earlier days."""
        alike = 0
        for wall, other in self._spikes:
            days, off = divmod(wall_seconds - wall + SPIKE_SECONDS, DAY_SECONDS)
            alike += days >= 1 and off < 2 * SPIKE_SECONDS and 0.4 * other < height < 2.5 * other
        return alike >= 2

    def _matters(self, level: float, seen: float) -> bool:
        chance = self.factor * (CHANCE_UP if seen > level else CHANCE_DOWN) * sqrt(max(level, seen) + 1)
        up, down = 1 + self.factor * (UP_RATIO - 1), 1 - self.factor * (1 - DOWN_RATIO)
        large = seen > up * level + UP_MORE or seen < down * level - DOWN_LESS
        return large and abs(seen - level) > chance

    def _learn(self, deviation: float, step: float, least: float) -> None:
        """What is usual of a sample's distance to the level, and to the sample before."""
        pace = LEARN if self._experience > _LEARNT else LEARN_FIRST / (self._experience + 5)
        self._deviation = _followed(self._deviation, deviation, pace, least)
        self._step = _followed(self._step, step, pace, least)
        self._leap = self.factor * JUMP_STEPS * self._step

    def _go_on(self, event: "Event", wall_seconds: float, value: float) -> str | None:
        recovered = self._is_recovery(event.level, value)
        if recovered:
            event.usual = event.recovery = True
        elif event.usual and event.grew(value):
            begun = wall_seconds - event.samples * self.interval_seconds
            event.usual = event.is_leak_over(value) or self.days.explain(begun, event.level, value)
        name = event.add(value)
        if event.over:
            if event.spike:
                self._spikes.append((wall_seconds, max(event.last) - event.level))
            self.event = None
            self._reference.append(value)
        elif self._number - event.number >= (BEFORE if event.usual and not recovered else LASTS_SAMPLES):
            extreme = name in ("rapid_increase", "rapid_decrease")
            back = recovered and self._is_back(value)
            self._was = [event.level, event.scale, self._number] if extreme else [] if back else self._was
            if not event.up:
                self.fell_from, self._fell = event.level, self._number
            self.event, self.level = None, median(event.last)
            self._reference = list(event.last)
            name = None
        return name

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {
            "level": self.level,
            "event": self.event and self.event.dump(),
            "cycle": self.cycle.dump(),
            "days": self.days.dump(),
            "reference": self._reference[-KEPT:],
            "usual": [self._deviation, self._long_deviation, self._step],
            "fell": [self.fell_from, self._fell],
            "was": self._was,
            "spikes": list(self._spikes),
            "number": self._number,
            "experience": self._experience,
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on from a dump."""
        self.level = dumped["level"]
        if dumped["event"]:
            from tcptide.detection.event import Event

            self.event = Event.load(dumped["event"])
        self.cycle.load(dumped["cycle"])
        self.days.load(dumped["days"])
        self._reference.extend(dumped["reference"])
        self._deviation, self._long_deviation, self._step = dumped["usual"]
        self._leap = self.factor * JUMP_STEPS * self._step
        self.fell_from, self._fell = dumped["fell"]
        self._was = dumped["was"]
        self._spikes.extend((wall, height) for wall, height in dumped["spikes"])
        self._number, self._experience = dumped["number"], dumped["experience"]


def median(values: Sequence[float]) -> float:
    """The median of at least one value."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return (ordered[half] + ordered[~half]) * 0.5


def _followed(usual: float, seen: float, pace: float, least: float) -> float:
    """A running median (Robbins and Monro 1951): up or down by a small share of itself, or of the least."""
    change = pace * (usual if usual > least else least)
    if seen > usual:
        return usual + change
    return usual - change if usual > change else 0.0


def _ahead(old: list[float], width: int) -> float:
    """The trend of the samples before, followed to the middle of the newest ones."""
    half = len(old) // 2
    first, second = median(old[:half]), median(old[half:])
    rest = len(old) - half
    return second + (second - first) / rest * (rest + width) / 2


def _all_beyond(values: list[float], level: float, change: float) -> bool:
    return min(values) - level > change if change > 0.0 else max(values) - level < change if change else True
