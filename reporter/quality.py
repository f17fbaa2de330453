"""How much was seen in a period, and how."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from tcptide.model import Looks, Sample

from . import words
from .frames import History

GAPS_SHOWN = 8
RESTARTS = {
    "boot": "the host booted",
    "namespace": "the network namespace was made anew",
    "counters": "the kernel's counters went back",
}
METHODS = {
    "sock_diag": "the kernel's own socket table (sock_diag)",
    "psutil": "psutil and /proc/net/tcp, the slower way with less detail: sock_diag could not be had",
}
PRIVILEGES = {
    True: "with the privilege to name the processes of all users",
    False: "without privileges",
    None: "with which privileges was not kept",
}
UNSEEN_SHOWN = 8


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


def quality(history: History, looks: Sequence[Looks], newest: Sample | None, zone: tzinfo) -> Quality:
    """The quality of a history. looks: how its samples were taken; `newest` may be no row yet."""
    if newest and not looks:
        origin = newest.origin
        looks = [Looks(origin.method, origin.privileged, origin.unseen, 1, origin.dump_seconds)]
    longest = sorted(history.gaps, key=lambda gap: -gap.seconds)[:GAPS_SHOWN]
    covered = None if history.coverage is None else 100 * history.coverage
    return Quality(
        samples=_samples(history),
        coverage="a single moment" if covered is None else f"{words.percent(covered)} of the period",
        covered_percent=covered,
        gaps=[span(gap.since, gap.until, zone) for gap in sorted(longest, key=lambda gap: gap.since)],
        more_gaps=len(history.gaps) - len(longest),
        restarts=[(moment(restart.wall_seconds, zone), RESTARTS[restart.kind]) for restart in history.restarts],
        looked=list(_looked(looks)) or ["not kept with quarters of an hour"],
        unseen=list(_unseen(looks)),
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


def _looked(looks: Sequence[Looks]) -> Iterator[str]:
    """By which way, with which privilege, and how long it took: of each how many samples, where not all are alike."""
    ways, privileges = Counter[str](), Counter[bool | None]()
    for one in looks:
        ways[one.method] += one.samples
        privileges[one.privileged] += one.samples
    yield from _counted({METHODS.get(way, way): samples for way, samples in ways.items()})
    yield from _counted({PRIVILEGES[each]: samples for each, samples in privileges.items()})
    timed = [(one.dump_seconds, one.samples) for one in looks if one.dump_seconds is not None]
    samples = sum(number for _, number in timed)
    if samples:
        mean = words.duration(sum(seconds * number for seconds, number in timed) / samples)
        yield f"{mean} for the walk" if samples == 1 else f"{mean} for a walk, on average"


def _unseen(looks: Sequence[Looks]) -> Iterator[str]:
    lines = Counter[str]()
    for one in looks:
        lines.update(dict.fromkeys(one.unseen, one.samples))
    shown = dict(lines.most_common(UNSEEN_SHOWN))
    yield from _counted(shown, sum(one.samples for one in looks))
    if len(lines) > len(shown):
        yield f"and {len(lines) - len(shown)} more"


def _counted(samples: Mapping[str, int], of: int | None = None) -> Iterator[str]:
    """Each with its number of samples, where that is not all of them."""
    whole = sum(samples.values()) if of is None else of
    for what, number in samples.items():
        yield what if number == whole else f"{what} (in {words.counted(number, 'sample')} of {words.count(whole)})"
