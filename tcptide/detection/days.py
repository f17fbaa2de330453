"""What earlier days did at this time of day: blocks of ten minutes, kept for a week."""

from math import log
from typing import Any

DAY_SECONDS = 86400
_DAYS = 7
_KEPT_DAYS = 8  # so that what came before this hour a week ago is still there
_BLOCK_SECONDS = 600.0

#: An earlier day explains a jump if its own was at least this share of it (as logarithms), from a level not further
#: away than this factor's logarithm.
_SHARE = 0.6
_SIMILAR = 0.7

#: A jump by more than this (as a logarithm, 2.4 times) must have happened on two days: once may have been an incident.
_BIG = 0.87


class Days:
    """The means of blocks; by the wall clock, since people and cron live by it."""

    def __init__(self, interval_seconds: float) -> None:
        self.block_seconds = max(_BLOCK_SECONDS, interval_seconds)
        self.blocks_per_day = max(1, round(DAY_SECONDS / self.block_seconds))
        self._means: list[float | None] = [None] * (_KEPT_DAYS * self.blocks_per_day)
        self._block = 0  # the one that is being filled
        self._sum = 0.0
        self._samples = 0

    def feed(self, wall_seconds: float, value: float) -> None:
        """Learn from a sample. A clock that steps back fills its hours again."""
        block = int(wall_seconds // self.block_seconds)
        if block != self._block:
            if self._samples:
                size = len(self._means)
                mean = float(f"{self._sum / self._samples:.4g}")
                self._means[self._block % size] = int(mean) if mean >= 100 else mean  # short as JSON
                for skipped in range(max(self._block + 1, block - size), block):
                    self._means[skipped % size] = None
            self._block, self._sum, self._samples = block, 0.0, 0
        self._sum += value
        self._samples += 1

    def at(self, block: int) -> float | None:
        """The mean of a block before this one; None if nothing is known of it."""
        size = len(self._means)
        return self._means[block % size] if self._block - size < block < self._block else None

    def explain(self, wall_seconds: float, level: float, value: float) -> bool:
        """Whether a jump from level to value, at this time, is what earlier days did as well."""
        jump = log((value + 1) / (level + 1))
        now = int(wall_seconds // self.block_seconds)
        found = 0
        for day in range(1, _DAYS + 1):
            then = now - day * self.blocks_per_day
            after = [mean for block in (then - 1, then, then + 1) if (mean := self.at(block)) is not None]
            before = [mean for block in (then - 3, then - 2) if (mean := self.at(block)) is not None]
            if after and before:
                base = sum(before) / len(before) + 1
                other = log(((max(after) if jump > 0 else min(after)) + 1) / base)
                alike = _SHARE < other / jump < max(1 / _SHARE + 0.1 / abs(jump), 3.0) if jump else False
                found += alike and abs(log(base / (level + 1))) < _SIMILAR
        return found >= (1 if abs(jump) < _BIG else 2)

    def dump(self) -> dict[str, Any]:
        """What load needs to go on, as JSON."""
        return {"means": self._means, "block": self._block, "sum": self._sum, "samples": self._samples}

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on from a dump. Raises ValueError for one of another interval."""
        if len(dumped["means"]) != len(self._means):
            raise ValueError("a dump of another interval")
        self._means, self._block = dumped["means"], dumped["block"]
        self._sum, self._samples = dumped["sum"], dumped["samples"]
