"""Histories for the tests of the report: minutes of a plausible host, stored or not."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from tcptide import history, statefiles
from tcptide.clock import SYSTEM
from tcptide.model import Point, Sample
from tcptide.series import point_of
from tcptide.writer import Writer

from .samples import COUNTS, sample

WALL = 1_763_424_000.0  # Tue 18 Nov 2025 00:00 UTC
MINUTE = 60.0

#: What the kernel counts in a quiet minute.
A_MINUTE = {
    "Tcp.ActiveOpens": 600,
    "Tcp.PassiveOpens": 1200,
    "Tcp.AttemptFails": 6,
    "Tcp.EstabResets": 3,
    "Tcp.InSegs": 50_000,
    "Tcp.OutSegs": 60_000,
    "Tcp.RetransSegs": 60,
    "TcpExt.TW": 900,
}


def minute(number: float, **changes: Any) -> Sample:
    """The sample of a minute, whose counters went on as usual; `more` adds to what they counted by then."""
    more = changes.pop("more", {})
    counters = {key: start + round(number * A_MINUTE.get(key, 0)) + more.get(key, 0) for key, start in COUNTS.items()}
    when = {"wall_seconds": WALL + number * MINUTE, "boottime_seconds": 86_400.0 + number * MINUTE}
    return sample(**{**when, "counters": counters, **changes})


def points(samples: Iterable[Sample]) -> list[Point]:
    """Their history rows."""
    return [point_of(one, id) for id, one in enumerate(samples, 1)]


def stored(directory: str, samples: Sequence[Sample]) -> str:
    """The directory, with a state that holds the samples."""
    os.makedirs(directory, exist_ok=True)
    with statefiles.lock(directory, SYSTEM, 5.0), Writer(directory) as writer:
        history.extend(writer, samples)
    return directory
