"""A sudden change that goes on, and what to call it."""

from collections import deque
from itertools import pairwise
from typing import Any, Self

from tcptide.detection.steps import median

_SPIKE = 4  # samples at most

#: An outage leaves less than this share. A flood multiplies, by less if it ramps up: no single step has most of it.
_OUTAGE_RATIO = 0.3
_FLOOD_RATIO, _RAMP_RATIO = 2.9, 2.3
_ONE_STEP, _ONE_STEP_FINE = 0.62, 0.45  # of the rise; the latter where a ramp of minutes has many samples
_SPIKE_RATIO = 1.8
_NAMED_FROM = 12  # samples

#: A fall of so many times what a leak had left over, or less, is its end.
LEAK_OVER = 1.25

#: Back is within so many usual deviations, or this share, of the level before.
_BACK_SCALES, _BACK_RATIO = 3.0, 0.15


class Event:
    """From the first sample that is off to the one that is back, or until the new level is the usual one."""

    def __init__(self, level: float, scale: float, before: float, new: list[float], number: int, fine: bool) -> None:
        """level: before the event, before: its last sample. number: of the newest sample. fine: a short interval."""
        self.level = level
        self.scale = scale
        self.before = before
        self.number = number - len(new) + 1
        self.fine = fine
        self.up = median(new) > level
        self.leaked = 0.0  # sockets that a leak had left over before
        self.usual = False  # earlier days did the same at this time, or it is a recovery: nothing is said of it
        self.recovery = False  # it leads back to the level before an earlier event
        self.brief = False  # a spike of this time of day, as it seems: nothing is said of it unless it stays
        self.over = self.spike = False
        self.samples = len(new)
        self.last = deque(new, maxlen=15)
        self._first = new[-_NAMED_FROM:]
        self._most = abs(median(new) - level)
        self._back = 0  # samples in a row that are near the level again

    def is_leak_over(self, value: float) -> bool:
        """Whether it is a fall that the end of a leak makes."""
        return 0 < self.level - value <= LEAK_OVER * self.leaked

    def grew(self, value: float) -> bool:
        """Whether this sample is further off than what was seen of the event so far."""
        off = abs(value - self.level)
        if off <= 1.15 * self._most:
            return False
        self._most = off
        return True

    def add(self, value: float) -> str | None:
        """What to call the event with one more sample; `over` tells when it is."""
        self.samples += 1
        near = max(_BACK_SCALES * self.scale, _BACK_RATIO * self.level)
        off = min(abs(value - self.level), abs(value - self.before))
        if off < min(near, max(0.5 * self._most, self.scale)):
            self._back += 1
            short = self.up and self.samples - self._back <= _SPIKE
            self.over = short or self._back >= 2
            if self.over:
                self.spike = short
                return "spike" if short and not self.brief and (self.recovery or not self.usual) else None
            return self.name()
        self._back = 0
        if len(self._first) < _NAMED_FROM:
            self._first.append(value)
        self.last.append(value)
        return self.name()

    def name(self) -> str | None:
        """The pattern, from the first samples; None for what is usual at this time of day."""
        if self.usual or (self.brief and self.samples <= _SPIKE):
            return None
        first = self._first
        if not self.up:
            return "rapid_decrease" if median(first[-3:]) < _OUTAGE_RATIO * self.level else "level_shift"
        top = max(median(first[i : i + 3]) for i in range(max(1, len(first) - 2)))
        ratio = (top + 1) / (self.level + 1)
        steps = [after - before for before, after in pairwise([self.before, *first])]
        share = max(steps) / max(1e-9, max(first) - self.level)
        ramp = share < (_ONE_STEP_FINE if self.fine else _ONE_STEP)
        if self.samples <= 2 and not ramp and ratio > _SPIKE_RATIO:
            return "spike"
        return "rapid_increase" if ratio >= (_RAMP_RATIO if ramp else _FLOOD_RATIO) else "level_shift"

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {**vars(self), "last": list(self.last)}

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Self:
        """The event of a dump."""
        event = cls(0.0, 0.0, 0.0, [0.0], 0, False)
        for name in vars(event):
            setattr(event, name, dumped[name])
        event.last = deque(dumped["last"], maxlen=15)
        return event
