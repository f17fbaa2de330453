"""How much was seen in a period, and how."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from tcptide.model import Sample

from . import words
from .frames import History

GAPS_SHOWN = 8
RESTARTS = {
    "boot": "the host booted",
    "namespace": "the network namespace was made anew",
    "counters": "the kernel's counters went back",
}


@dataclass(frozen=True)
class Moment:
    """A time for people and for programs."""

    text: str
    machine: str


@dataclass(frozen=True)
class Span:
    """A part of the period."""

    since: Moment
    until: Moment
    length: str


@dataclass(frozen=True)
class Quality:
    """How much was seen, and how."""

    samples: str  # how many, and how far apart
    coverage: str
    covered_percent: float | None
    gaps: list[Span]
    more_gaps: int
    restarts: list[tuple[Moment, str]]
    looked: list[str]
    unseen: list[str]
    never: list[str]  # series without a single value


def moment(wall: float, zone: tzinfo) -> Moment:
    """A moment of the period."""
    return Moment(words.full_stamp(wall, zone), words.machine_stamp(wall, zone))


def span(since: float, until: float, zone: tzinfo) -> Span:
    """A part of the period."""
    return Span(moment(since, zone), moment(until, zone), words.duration(until - since))


def quality(history: History, newest: Sample | None, zone: tzinfo) -> Quality:
    """The quality of a history; of how the newest sample was taken only where there is one."""
    longest = sorted(history.gaps, key=lambda gap: -gap.seconds)[:GAPS_SHOWN]
    covered = None if history.coverage is None else 100 * history.coverage
    return Quality(
        samples=_samples(history),
        coverage="a single moment" if covered is None else f"{words.percent(covered)} of the period",
        covered_percent=covered,
        gaps=[span(gap.since, gap.until, zone) for gap in sorted(longest, key=lambda gap: gap.since)],
        more_gaps=len(history.gaps) - len(longest),
        restarts=[(moment(restart.wall_seconds, zone), RESTARTS[restart.kind]) for restart in history.restarts],
        looked=list(_looked(newest)) if newest else [],
        unseen=list(newest.origin.unseen) if newest else [],
        never=list(history.never),
    )


def _samples(history: History) -> str:
    """`1,440, usually 1 min apart`."""
    walls = np.sort(history.begins[history.begins == history.ends])
    quarters = len(history.begins) - len(walls)
    told = f"{len(walls):,}"
    if len(walls) > 1:
        usual = words.duration(float(np.median(np.diff(walls))))
        told += f", {'usually ' * (len(walls) > 2)}{usual} apart"
    if not quarters:
        return told
    rolled = f"{words.counted(quarters, 'quarter')} of an hour"
    return f"{told}; before them {rolled}" if len(walls) else rolled


def _looked(sample: Sample) -> Iterator[str]:
    origin = sample.origin
    yield {
        "sock_diag": "the kernel's own socket table (sock_diag)",
        "psutil": "psutil and /proc/net/tcp, the slower way with less detail: sock_diag could not be had",
    }.get(origin.method, origin.method)
    yield "with the privilege to name the processes of all users" if origin.privileged else "without privileges"
    yield f"{words.duration(origin.dump_seconds)} for the walk"
