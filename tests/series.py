"""Seeded series of counts for the detector's tests, and what it says of them. One number is one sample."""

import json
import math
import random
from collections.abc import Iterable, Sequence
from itertools import groupby

from tcptide.model import ALARM_PATTERNS, Verdict
from tcptide.patterns import Detector

MINUTE, HOUR, DAY = 60, 3600, 86400
START = 1_767_225_600.0  # midnight
HOUR_SAMPLES, DAY_SAMPLES = 60, 1440

States = dict[str, float]


def usual(level: float, samples: int, seed: int = 1) -> list[int]:
    """Independent clients: chance makes the square root of the count, and load adds 3 %."""
    rng = random.Random(seed)
    return [max(0, round(rng.gauss(level, math.sqrt(level) + 0.03 * level))) for _ in range(samples)]


def days(level: float, samples: int, interval: int = MINUTE, swing: float = 0.6, seed: int = 1) -> list[int]:
    """The same with people's day: the evening has exp(swing) times the mean, the early morning that much less."""
    rng = random.Random(seed)
    counts = []
    for number in range(samples):
        mean = level * math.exp(swing * math.sin(2 * math.pi * (number * interval / DAY - 0.5)))
        counts.append(max(0, round(rng.gauss(mean, math.sqrt(mean) + 0.02 * mean))))
    return counts


def times(factor: float, counts: Iterable[float]) -> list[int]:
    return [round(factor * count) for count in counts]


def bursts(counts: Sequence[int], period: int, height: int, late: Iterable[int] = ()) -> list[int]:
    """A job's connections at each `period`th sample; of the bursts `late` (by number) a sample later."""
    delays = dict.fromkeys(late, 1)
    due = {number * period + delays.get(number, 0) for number in range(1, len(counts) // period + 1)}
    return [count + height * (at in due) for at, count in enumerate(counts)]


def split(count: float) -> States:
    """A web server's states: most of its sockets are what it closed in the last minute."""
    time_wait = round(0.6 * count)
    return {"ESTABLISHED": count - time_wait, "TIME_WAIT": time_wait, "CLOSE_WAIT": 0}


class Watch:
    """Feeds a detector, a sample each interval, and keeps what it says."""

    def __init__(self, sensitivity: str = "quiet", interval: float = MINUTE, start: float = START) -> None:
        self.detector = Detector(interval, sensitivity)
        self.interval, self.sensitivity = interval, sensitivity
        self.wall = start - interval
        self.verdicts: list[Verdict] = []

    def see(self, counts: Iterable[float | States], interval: float | None = None) -> list[Verdict]:
        """The verdicts on these samples."""
        seen = []
        for count in counts:
            self.wall += self.interval if interval is None else interval
            seen.append(self.detector.update(self.wall, count if isinstance(count, dict) else split(count)))
        self.verdicts += seen
        return seen

    def restart(self) -> None:
        """The process ends and another goes on from what the first wrote down."""
        written = json.dumps(self.detector.dump(), allow_nan=False)
        self.detector = Detector.load(self.interval, self.sensitivity, json.loads(written))


def watch(counts: Iterable[float | States], sensitivity: str = "quiet", interval: float = MINUTE) -> list[Verdict]:
    return Watch(sensitivity, interval).see(counts)


def runs(verdicts: Iterable[Verdict]) -> list[tuple[str, int]]:
    """Patterns in turn, and how many samples each went on."""
    return [(name, len(list(group))) for name, group in groupby(verdict.pattern for verdict in verdicts)]


def told(verdicts: Iterable[Verdict]) -> list[str]:
    """Alarms in turn, without the quiet patterns."""
    return [name for name, _ in runs(verdict for verdict in verdicts if verdict.pattern in ALARM_PATTERNS)]


def first(verdicts: Sequence[Verdict], pattern: str) -> int:
    """The number of the first verdict with this pattern."""
    return [verdict.pattern for verdict in verdicts].index(pattern)
