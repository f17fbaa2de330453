"""What was going on in the period, by the verdicts that were stored with each sample."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import count, zip_longest
from math import inf
from operator import itemgetter

from tcptide import saying
from tcptide.model import ALARM_PATTERNS, Event, Point, Verdict
from tcptide.outlook import Outlook

from . import words
from .frames import History

SHOWN = 12  # patterns that are listed and numbered: the longest
FORMING = 3  # samples that a pattern may have another name for

MEANINGS = {
    "insufficient_data": "there is too little history yet to say more",
    "normal": "as many connections as expected",
    "periodic": "a burst that comes again and again, on time",
    "spike": "far more connections for a few samples",
    "level_shift": "a new level that stays",
    "rapid_decrease": "far fewer connections within minutes",
    "rapid_increase": "far more connections within minutes",
    "slow_leak": "ever more connections, whatever the traffic does",
}


@dataclass(frozen=True)
class Marked:
    """A stretch of the period with one pattern."""

    pattern: str
    since: float  # wall clock seconds: its first and last sample
    until: float
    number: int | None = None  # in the list; None: too short for it
    what: str = ""  # what grew and who, as it was recorded
    event: Event | None = None  # that recorded it
    began: float | None = None  # wall clock seconds: before it was recognized, by the verdict that was recorded

    @property
    def name(self) -> str:
        """As people say it."""
        return name(self.pattern)


@dataclass(frozen=True)
class Now:
    """The pattern at the end of the period."""

    name: str
    meaning: str
    alarm: bool
    details: list[str]
    code: str  # of the pattern


def marked(
    history: History, points: Sequence[Point], verdicts: Mapping[int, Verdict], events: Sequence[Event]
) -> list[Marked]:
    """The stretches with a pattern that something is the matter, oldest first; none reaches across a gap.

    What is called otherwise after its first samples has its later name from the begin.
    """
    judged = ((point.wall_seconds, verdicts.get(point.id or 0)) for point in points)
    rows = sorted((wall, verdict.pattern, verdict.since or wall) for wall, verdict in judged if verdict)
    gaps = {gap.since for gap in history.gaps}
    found: list[Marked] = []
    begin, samples = None, 0
    for (wall, pattern, _), after in zip_longest(rows, [pattern for _, pattern, _ in rows[1:]]):
        begin, samples = wall if begin is None else begin, samples + 1
        if after == pattern and wall not in gaps:
            continue
        if samples < FORMING and pattern in ALARM_PATTERNS and after in ALARM_PATTERNS and wall not in gaps:
            continue
        if pattern in ALARM_PATTERNS:
            found.append(Marked(pattern, begin, wall))
        begin, samples = None, 0
    found = _with_pruned(found, rows[0][0] if rows else inf, history, events)
    longest = {*sorted(found, key=lambda one: one.since - one.until)[:SHOWN]}
    numbers = count(1)
    told = []
    for one, after in zip_longest(found, found[1:]):
        event = one.event or _recorded(one, after.since if after else inf, events)
        number = next(numbers) if one in longest else None
        what = event.message.partition(": ")[2] if event else ""
        began = _began(one, event, rows) if one.began is None else one.began
        told.append(replace(one, number=number, what=what, event=event, began=max(history.since, began)))
    return told


def _with_pruned(found: list[Marked], first: float, history: History, events: Sequence[Event]) -> list[Marked]:
    """Before the first sample that was judged, which is at `first`, only what was recorded tells of patterns."""
    pruned: list[Marked] = []
    changes = [event for event in events if event.kind == "pattern"]
    for event, after in zip_longest(changes, changes[1:]):
        pattern = event.message.partition(": ")[0].partition(" ")[0]
        if event.wall_seconds >= first or not event.new or pattern not in ALARM_PATTERNS:
            continue
        until = after.wall_seconds if after else history.last
        began = max(history.since, event.wall_seconds - _age(event))
        if until >= first and found and found[0].pattern == pattern and found[0].since <= first:
            found[0] = replace(found[0], since=event.wall_seconds, began=began, event=event)
        else:
            pruned.append(Marked(pattern, event.wall_seconds, min(until, first), began=began, event=event))
    return [*pruned, *found]


def _age(event: Event) -> float:
    """For how long it had been the case when it was recorded, in seconds."""
    try:
        values = json.loads(event.finding or "{}")["values"]
        return float(values.get("for_seconds", values.get("oldest_seconds", 0.0)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0.0


def _began(one: Marked, event: Event | None, rows: Sequence[tuple[float, str, float]]) -> float:
    """As the verdict says that was recorded: later ones of the same pattern may begin it elsewhere."""
    told = event.wall_seconds if event else one.since
    begin = bisect_left(rows, one.since, key=itemgetter(0))
    end = bisect_right(rows, max(told, one.since), key=itemgetter(0))
    said = [since for _, pattern, since in rows[begin:end] if pattern == one.pattern]
    return min(one.since, said[-1]) if said else one.since


def _recorded(one: Marked, before: float, events: Sequence[Event]) -> Event | None:
    """What was recorded of it: a pattern that follows another one is recorded when it has lasted for some samples."""
    for event in events:
        named = event.message.partition(": ")[0].partition(" ")[0]
        if event.kind == "pattern" and named == one.pattern and one.since <= event.wall_seconds < before:
            return event
    return None


def now(outlook: Outlook | None, last: Verdict | None, every: Sequence[Marked], zone: tzinfo) -> Now | None:
    """The pattern by the outlook, which knows who; else by the last row's verdict. None: nothing was ever said.

    `every` are those of the period: what is over of a leak may have begun before what there is of it now.
    """
    verdict = outlook.verdict if outlook else last
    if verdict is None:
        return None
    if verdict.since is not None and every and every[-1].pattern == verdict.pattern:
        verdict = verdict._replace(since=min(verdict.since, every[-1].since))
    return Now(
        name(verdict.pattern),
        MEANINGS.get(verdict.pattern, ""),
        verdict.pattern in ALARM_PATTERNS,
        [*_verdict(verdict, zone), *(_outlook(outlook) if outlook else ())],
        verdict.pattern,
    )


def _verdict(verdict: Verdict, zone: tzinfo) -> Iterator[str]:
    if verdict.since is not None:
        yield f"Since {words.stamp(verdict.since, zone)}."
    if verdict.seen is not None and verdict.expected is not None:
        yield f"{words.counted(round(verdict.seen), 'connection')}, {words.count(round(verdict.expected))} expected."


def _outlook(outlook: Outlook) -> Iterator[str]:
    change, per_hour, grew = outlook.change, outlook.per_hour, outlook.verdict.grew
    whose = saying.whose(outlook) if outlook.alarm else ""
    if grew and per_hour is not None:
        yield f"Mostly {grew}: {words.count(round(per_hour))} more each hour{whose}."
    elif grew and change is not None:
        yield f"Mostly {grew}: {words.count(round(abs(change)))} {'more' if change > 0 else 'fewer'} than usual{whose}."
    elif whose:
        yield f"Mostly{whose}."
    for leak in outlook.leaks:
        held = f"{words.counted(leak.sockets, 'socket')} left over in {leak.state}"
        yield (
            f"{leak.holder}: {held}, the oldest for {words.duration(leak.oldest_seconds)}, "
            f"{words.count(round(leak.per_hour))} more each hour."
        )


def name(pattern: str) -> str:
    """As people say it: `slow leak`."""
    return pattern.replace("_", " ")


def between(since: float, until: float, zone: tzinfo) -> str:
    """When a pattern was there, and for how long."""
    if since == until:
        return f"{words.stamp(since, zone)} (a single sample)"
    return f"{words.stretch(since, until, zone)} ({words.duration(until - since)})"


def sentence(every: Sequence[Marked], zone: tzinfo) -> str:
    """The listed ones in one sentence, for who does not see the picture."""
    listed = [one for one in every if one.number]
    if not listed:
        return ""
    told = "; ".join(f"{one.number} {one.name}, {between(one.since, one.until, zone)}" for one in listed)
    return f"Marked patterns: {told}."
