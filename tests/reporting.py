"""Histories for the tests of the report: minutes of a plausible host, stored or not."""

import os
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from reporter import page, quarters
from reporter.held import Row
from reporter.limits import Limits, Thresholds
from reporter.load import Loaded
from reporter.page import Page
from tcptide import history, statefiles
from tcptide.clock import SYSTEM
from tcptide.codec import top_from_json, top_to_json
from tcptide.config import Config
from tcptide.model import Point, Sample, Source, Verdict
from tcptide.series import point_of
from tcptide.writer import Writer

from .samples import COUNTS, destination, no_rates, rates, sample, states

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


def stored(directory: str, samples: Sequence[Sample], *, judged: bool = False) -> str:
    """The directory, with a state that holds the samples, perhaps judged as they were stored."""
    os.makedirs(directory, exist_ok=True)
    with statefiles.lock(directory, SYSTEM, 5.0), Writer(directory) as writer:
        history.extend(writer, samples, advance=history.judged(Config()) if judged else None)
    return directory


def built(
    samples: Iterable[Sample],
    *,
    made_after_seconds: float = 20.0,
    simulated: bool = False,
    in_period: bool = True,
    thresholds: Thresholds = {},  # noqa: B006 - only read
    **judged: Any,
) -> Page:
    """The page of these samples, in UTC; `judged` are fields of Loaded that come from judging the history."""
    every = list(samples)
    rows = points(every)
    peak = max(every, key=lambda one: one.ports.worst[0].utilisation_percent if one.ports else 0.0)
    loaded = Loaded(
        source=Source("host", every[-1].origin.hostname, simulated),
        since=rows[0].wall_seconds,
        until=rows[-1].wall_seconds,
        begins_late=False,
        points=rows,
        rollups=quarters.NONE,
        newest=every[-1] if in_period else None,
        rates=judged.pop("rates", rates() if len(rows) > 1 else no_rates()),
        fullest_destination=peak.ports.worst[0] if peak.ports else None,
        fullest_listener=every[-1].listeners[0] if every[-1].listeners else None,
        rows=[Row(one.origin.wall_seconds, True, top_from_json(top_to_json(one))) for one in every],
        host=every[-1],
        **judged,
    )
    return page.build(loaded, 60.0, ZoneInfo("UTC"), rows[-1].wall_seconds + made_after_seconds, Limits(thresholds))


def quiet_hour() -> list[Sample]:
    """Nothing happens."""
    return [minute(number) for number in range(61)]


def exhausted_hour() -> list[Sample]:
    """From minute 21 to 50 nearly all ports to the database are used; in minute 31 an accept queue overflows."""
    return [
        minute(
            number,
            worst=(destination(27_000 if 20 < number <= 50 else 1129),),
            more={"TcpExt.ListenOverflows": 90 if number > 30 else 0},
        )
        for number in range(61)
    ]


def filling_hours() -> list[Sample]:
    """Two quiet hours, then for twenty minutes 600 ports more to the database each minute."""
    hours = []
    for number in range(141):
        more = 600 * max(0, number - 120)
        worst = (destination(1129 + more),)
        hours.append(minute(number, states=states(ESTABLISHED=1100 + more + 3 * (number % 5)), worst=worst))
    return hours


def verdicts(*names: str, expected: float = 900.0) -> dict[int, Verdict]:
    """A verdict for each point, by its id."""
    return {id: Verdict(name, None, expected, None, None, None) for id, name in enumerate(names, 1)}
