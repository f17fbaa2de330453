"""The levels of the report: the configured thresholds where a line can show them, else the checks' defaults."""

import re
from collections.abc import Mapping

from tcptide import levels
from tcptide.levels import Levels

Thresholds = Mapping[tuple[str, str], tuple[str | None, str | None]]  # of config.Config

#: What the page holds against limits; a check may have thresholds for more.
SHOWN = {
    ("tcp_port_exhaustion", "worst_destination"),
    ("tcp_port_exhaustion", "worst_bind"),
    ("tcp_time_wait", "bucket_usage"),
    ("tcp_listen_queue", "worst_listener"),
    ("tcp_errors", "failed_open_percent"),
    ("tcp_errors", "retransmit_percent"),
    ("tcp_connections", "conntrack_usage"),
}

_UPPER_BOUND = re.compile(r"(?:(?:~|0):)?([0-9.]+)%?")


class Limits:
    """Upper bounds by check and metric."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds

    def of(self, check: str, metric: str) -> Levels:
        """The levels of a metric. A range that is no plain upper bound leaves the default."""
        ranges = self._thresholds.get((check, metric), (None, None))
        return Levels(*map(_bound, ranges, levels.of(check, metric)))

    def severity(self, check: str, metric: str, value: float | None) -> int:
        """0 within the levels, 1 above warning, 2 above critical."""
        if value is None:
            return 0
        bounds = enumerate(self.of(check, metric), 1)
        return max((each for each, bound in bounds if bound is not None and value > bound), default=0)

    @property
    def words(self) -> str:
        """Where the levels come from."""
        if not self._thresholds:
            return "Limits are the default thresholds of the checks."
        other = [
            f"{metric} of check_{check}"
            for (check, metric), ranges in self._thresholds.items()
            if (check, metric) not in SHOWN or any(text and not _UPPER_BOUND.fullmatch(text) for text in ranges)
        ]
        left = f"; that of {', '.join(other)} is not on this page" if other else ""
        return f"Limits are the configured thresholds of the checks, or else their defaults{left}."


def _bound(text: str | None, default: float | None) -> float | None:
    if text == "":  # no threshold
        return None
    plain = _UPPER_BOUND.fullmatch(text or "")
    return float(plain[1]) if plain else default
