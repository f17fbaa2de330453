"""Connections to one destination become more until connect() fails: whether that was said before, and rightly."""

import errno
import math
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest

from tests.watching import Kept, Said, at_once, watch
from tests.worlds import World

pytestmark = pytest.mark.root

CHECK = os.path.join(os.path.dirname(sys.executable), "check_tcp_port_exhaustion")

PORTS = 600
SERVICE = 9000
TO = f"127.0.0.1:{SERVICE}"
PER_SECOND = 22
STOP_SECONDS = 15

#: Connections opened in each of five seconds, again and again, as a share of PER_SECOND.
UNEVEN = (1.25, 0.75, 1.1, 0.85, 1.05)

#: How many there are, around the usual, in each of seven seconds, again and again.
WOBBLE = (0, 25, 40, 10, -20, -40, -15)

UNITS = {"s": 1, "min": 60, "h": 3600}


class Story(NamedTuple):
    """What the check said, and when connect() found no port any more, in seconds."""

    said: list[Said]
    kept: Kept
    full: float | None


def steady(seconds: float) -> float:
    return PER_SECOND * seconds


def uneven(seconds: float) -> float:
    whole = int(seconds)
    shares = (*(UNEVEN[each % len(UNEVEN)] for each in range(whole)), UNEVEN[whole % len(UNEVEN)] * (seconds - whole))
    return PER_SECOND * sum(shares)


def stopping(seconds: float) -> float:
    return PER_SECOND * min(seconds, STOP_SECONDS)


def wobbling(seconds: float) -> float:
    return 200 + WOBBLE[int(seconds) % len(WOBBLE)]


def tell(wanted: Callable[[float], float], user: str | None, most_seconds: float) -> Story:
    """So many connections as are wanted by the time, opened and closed by a client."""
    full: float | None = None
    with World(ip_local_port_range=f"20000 {20000 + PORTS - 1}") as world, watch(user) as watched:
        listener = world.listen("127.0.0.1", SERVICE)

        def follow(seconds: float) -> bool:
            nonlocal full
            missing = int(wanted(seconds)) - len(world.keep) // 2
            world.reset(world.keep[1:][: max(0, -2 * missing)])
            try:
                for _ in range(missing):
                    world.pair(listener)
            except OSError as error:
                assert error.errno == errno.EADDRNOTAVAIL
                full = seconds
            return full is None

        said = watched.each_second([[watched.command(CHECK)]], most_seconds, follow)
        return Story(said, watched.kept(), full)


@pytest.fixture(scope="module")
def stories() -> dict[str, Story]:
    told = {
        "steady": partial(tell, steady, None, 60),
        "uneven": partial(tell, uneven, "nobody", 60),
        "stopping": partial(tell, stopping, "nobody", 40),
        "wobbling": partial(tell, wobbling, None, 35),
    }
    return dict(zip(told, at_once(*told.values()), strict=True))


def ahead(said: Said) -> tuple[float, float] | None:
    """The earliest and the latest time that line 1 says, as exactly as it says it; None: it says none."""
    found = re.search(r", full in (?:([0-9]+)-)?([0-9]+) (s|min|h)(?: at the earliest)?(?: \(\+1 more\))?$", said.text)
    if not found:
        assert "full in" not in said.text
        return None
    unit, high = UNITS[found[3]], math.inf if "at the earliest" in found[0] else float(found[2])
    return unit * (float(found[1] or found[2]) - 0.5), unit * (high + 0.5)


def perfdata(said: Said, label: str) -> float | None:
    found = re.search(rf" {label}=([0-9.]+)", said.lines[0])
    return float(found[1]) if found else None


@pytest.mark.parametrize("name", ["steady", "uneven"])
def test_a_ramp_is_forecast_before_it_is_full(name: str, stories: dict[str, Story]) -> None:
    said, _, full = stories[name]
    assert full is not None
    before = [each for each in said if each.ended < full]
    forecasts = [each for each in before if ahead(each)]
    half_way = next(each for each in forecasts if each.began >= full / 2)
    for each in (*forecasts[:3], half_way):
        low, high = ahead(each) or (math.nan, math.nan)
        assert low <= full - each.began, each
        assert full - each.ended <= high, each
        likely = perfdata(each, "exhaustion_seconds")
        assert likely is not None
        assert low <= likely <= high
        assert any(line.startswith("forecast: full in ") for line in each.lines)
    assert forecasts[0].ended < 0.6 * full
    assert len(forecasts) >= 0.3 * len(before)
    others = [each for each in before if each not in forecasts and ", full now" not in each.text]  # seen before tried
    assert [each for each in others if perfdata(each, "exhaustion_seconds") is not None] == []


@pytest.mark.parametrize("name", ["steady", "uneven"])
def test_full_is_full_now(name: str, stories: dict[str, Story]) -> None:
    said = stories[name].said
    assert (said[-1].status, perfdata(said[-1], "exhaustion_seconds")) == (2, 0)
    who = "TCP_PORT_EXHAUSTION CRITICAL - 100% of ports to 127.0.0.1:9000 used (600/600) by "
    assert said[-1].text.startswith(who)
    assert ", full now (+1 more)" in said[-1].text
    assert "forecast: full now" in said[-1].lines


@pytest.mark.parametrize("name", ["steady", "uneven"])
def test_the_finding_says_how_long(name: str, stories: dict[str, Story]) -> None:
    each = next(each for each in stories[name].said if each.status and ahead(each))
    (place,) = (place for place, line in enumerate(each.lines) if "at this rate full in " in line)
    assert each.lines[place].partition(" are used: ")[0].endswith(f"% of the ports from 127.0.0.1 to {TO}")
    assert each.lines[place + 1].startswith("-> ")


def test_a_limit_in_reach_is_an_event_once(stories: dict[str, Story]) -> None:
    events = stories["steady"].kept.events
    (event,) = (event for event in events if event.kind == "forecast")
    assert (event.name, event.old, event.new) == (f"ports 127.0.0.1 {TO}", 0, 1)
    assert event.message.startswith(f"ports to {TO} full in ")


def test_a_ramp_that_stops_is_forecast_no_more(stories: dict[str, Story]) -> None:
    said, kept, full = stories["stopping"]
    assert full is None
    assert any(ahead(each) for each in said if each.began < STOP_SECONDS)
    rest = [each for each in said if each.began > STOP_SECONDS]
    last = max(place for place, each in enumerate(rest, 1) if ahead(each))
    assert last <= 10
    assert len(rest) >= last + 5
    assert "no forecast: no growth" in rest[-1].lines
    assert {each.status for each in said} == {0}
    assert [(event.kind, event.new) for event in kept.events if event.kind == "forecast"][:1] == [("forecast", 1)]


def test_a_wobbling_load_is_not_forecast(stories: dict[str, Story]) -> None:
    said, kept, full = stories["wobbling"]
    assert full is None
    assert len(said) >= 20
    used = {perfdata(each, "worst_destination_ports") for each in said}
    assert len(used) > 3
    assert {each.status for each in said} == {0}
    assert {ahead(each) for each in said} == {None}
    assert [event for event in kept.events if event.kind == "forecast"] == []


@pytest.mark.parametrize("name", ["steady", "uneven", "stopping", "wobbling"])
def test_judging_the_rows_again_says_the_same(name: str, stories: dict[str, Story]) -> None:
    kept = stories[name].kept
    assert kept.replayed == (kept.patterns, kept.outlook)
