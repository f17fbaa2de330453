"""The clock that everything else is handed; tests hand in another."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the core asks of time."""

    def wall(self) -> float:
        """Seconds since 1970 (CLOCK_REALTIME); may step back."""

    def boottime(self) -> float:
        """Seconds since boot, sleep included (CLOCK_BOOTTIME); never steps back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        """Seconds since 1970 (CLOCK_REALTIME)."""
        return time.time()

    def boottime(self) -> float:
        """Seconds since boot, sleep included (CLOCK_BOOTTIME)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


SYSTEM = SystemClock()
