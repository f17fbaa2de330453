"""What can run out, row by row: which resources are watched, and when a limit is in reach."""

import json
from collections.abc import Iterable

import pytest

from tcptide.codec import Top
from tcptide.detection.leaks import SlowLeak
from tcptide.forecast import Trend
from tcptide.model import Forecast
from tcptide.observation import Observation, Settled
from tcptide.outlook import REACH_SECONDS
from tcptide.resources import Resources

NOWHERE = Top((), (), (), (), (), (), ())


def row(minute: float, *, boot: str = "one", **used: float) -> Observation:
    """What is used of resources: `ports_a` is that of a destination."""
    named = {name.replace("ports_", "ports 10.0.0.1 "): float(count) for name, count in used.items()}
    limits = dict.fromkeys(named, 10_000.0)
    return Observation(1e9 + 60 * minute, 1e5 + 60 * minute, boot, 1, {}, named, limits, NOWHERE, False)


def watched(resources: Resources) -> list[str]:
    return list(resources.dump())


def updated(rows: Iterable[Observation], resources: Resources | None = None) -> Resources:
    found = resources or Resources(60.0)
    for each in rows:
        found.update(each, False, None)
    return found


def test_a_destination_is_watched_from_a_hundredth_of_its_ports_on() -> None:
    resources = updated([row(0, connections=5, ports_a=99, ports_b=100)])
    assert watched(resources) == ["connections", "ports 10.0.0.1 b"]
    assert watched(updated([row(1, connections=5, ports_a=100, ports_b=3)], resources)) == [
        *("connections", "ports 10.0.0.1 b", "ports 10.0.0.1 a"),
    ]


def test_a_destination_that_is_not_seen_for_an_hour_is_forgotten() -> None:
    resources = updated([row(0, connections=5, ports_a=500)])
    updated((row(minute, connections=5) for minute in range(1, 61)), resources)
    assert "ports 10.0.0.1 a" in watched(resources)
    updated([row(61, connections=5)], resources)
    assert watched(resources) == ["connections"]


def test_of_too_many_destinations_those_that_are_seen_stay() -> None:
    resources = updated([row(0, ports_a=500, ports_b=500, ports_c=500, ports_d=500, ports_e=500)])
    updated([row(1, ports_f=500, ports_g=500, ports_h=500, ports_i=500, ports_j=500)], resources)
    names = [name[-1] for name in watched(resources)]
    assert len(names) == 8
    assert set("fghij") <= set(names)


def test_a_table_is_watched_from_a_hundredth_on_and_then_for_good() -> None:
    assert watched(updated([row(0, connections=5, conntrack=99, time_wait=3)])) == ["connections"]
    resources = updated([row(0, connections=5, conntrack=100, time_wait=3)])
    assert watched(updated((row(minute, connections=5, conntrack=9) for minute in range(1, 99)), resources)) == [
        *("connections", "conntrack"),
    ]


def test_what_is_not_seen_is_not_watched() -> None:
    assert watched(updated([row(0, connections=5)])) == ["connections"]
    assert watched(updated([row(0)])) == []


def test_a_leak_is_part_of_the_connections_and_of_conntrack() -> None:
    resources = Resources(60.0)
    leak = SlowLeak("CLOSE_WAIT", 1e9 - 7200, 400.0, 0.05, 0.002, 9.0)
    trends: tuple[Trend, ...] = ()
    for minute in range(30):
        seen = row(minute, connections=1000 + 3 * minute, conntrack=1200, time_wait=60, ports_a=300)
        trends = resources.update(seen, False, leak)
    assert [one.resource for one in trends] == ["connections", "conntrack"]
    assert trends[0].slope_per_second == pytest.approx(0.05)


def ramp(minutes: Iterable[int], per_minute: float = 100.0) -> Iterable[Observation]:
    return (row(minute, ports_a=1000 + per_minute * minute) for minute in minutes)


def reached(resources: Resources, rows: Iterable[Observation]) -> list[tuple[int, Forecast]]:
    """What came into reach or left it, with the place of the row."""
    found = []
    for place, each in enumerate(rows):
        trends = resources.update(each, False, None)
        found += [(place, forecast) for forecast in resources.reach(each, trends)]
    return found


def test_a_limit_is_said_once_when_it_comes_into_reach_and_once_when_it_leaves_it() -> None:
    resources = Resources(60.0)
    up = reached(resources, ramp(range(60)))
    assert [(forecast.resource, (forecast.seconds or 0) < REACH_SECONDS) for _, forecast in up] == [
        ("ports 10.0.0.1 a", True)
    ]
    down = reached(resources, (row(minute, ports_a=1000) for minute in range(60, 140)))
    assert [forecast.seconds for _, forecast in down] == [None]


def leaking(minutes: Iterable[int], noise: float, per_hour: float = 120.0) -> Iterable[tuple[Observation, SlowLeak]]:
    """Up and down by `noise` every other minute, on 4,500 connections and what leaks; the limit is 10,000."""
    for minute in minutes:
        sockets = per_hour * minute / 60
        leak = SlowLeak("CLOSE_WAIT", 1e9, sockets, per_hour / 3600, per_hour / 36_000, 9.0)
        yield row(minute, connections=4500 + sockets + noise * (-1) ** minute), leak


def pressing(resources: Resources, rows: Iterable[tuple[Observation, SlowLeak]]) -> list[int]:
    levels = []
    for each, leak in rows:
        (found,) = resources.pressing(each, resources.update(each, False, leak))
        assert (found.resource, found.limit) == ("connections", 10_000.0)
        levels.append(found.level)
    return levels


@pytest.mark.parametrize("noise", [0.0, 100.0, 250.0])
def test_noise_at_half_of_a_limit_says_once_that_it_is_pressing(noise: float) -> None:
    levels = pressing(Resources(60.0), leaking(range(60, 900), noise, 300.0))
    assert levels == sorted(levels)
    assert set(levels) == {0, 1}
    assert levels.index(1) + 60 == pytest.approx(100, abs=60)  # half is leaked at minute 100


def test_a_limit_that_is_near_is_as_pressing_as_it_can_be() -> None:
    levels = pressing(Resources(60.0), leaking(range(60, 300), 20.0, 2400.0))
    assert levels == sorted(levels)
    assert levels[-1] == 2


def test_what_no_longer_grows_is_no_longer_pressing() -> None:
    resources = Resources(60.0)
    assert pressing(resources, leaking(range(60, 300), 20.0, 1000.0))[-1] >= 1
    rows = [row(minute, connections=1000) for minute in range(300, 330)]
    levels = [one.level for each in rows for one in resources.pressing(each, resources.update(each, False, None))]
    assert levels == [levels[0]] * 9 + [0] * 21


def test_a_restart_ends_no_watch_and_starts_no_claim() -> None:
    resources = Resources(60.0)
    reached(resources, ramp(range(30)))
    other = row(31, boot="two", ports_a=9000)
    assert list(resources.reach(other, resources.update(other, True, None))) == []
    assert watched(resources) == ["ports 10.0.0.1 a"]


def test_it_goes_on_from_its_dump_through_json() -> None:
    straight, through = Resources(60.0), Resources(60.0)
    for each in ramp(range(60)):
        through = Resources.load(60.0, json.loads(json.dumps(through.dump())))
        trends = straight.update(each, False, None)
        assert through.update(each, False, None) == trends
        assert list(through.reach(each, trends)) == list(straight.reach(each, trends))
        assert through.pressing(each, trends) == straight.pressing(each, trends)
    assert through.dump() == straight.dump()


@pytest.mark.parametrize("dumped", [None, [1], {"connections": []}, {"connections": [None, 0, [], None]}])
def test_what_is_no_dump_is_refused(dumped: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        Resources.load(60.0, dumped)


@pytest.mark.parametrize(
    ("seen", "changes"),
    [
        ("aaa", [2]),
        ("aa aaa", [5]),
        ("ab ab ab", []),
        ("aaaaa     ", [2, 7]),
        ("aaabbb", [2, 5]),
        ("aaa aaa", [2]),
    ],
)
def test_what_has_lasted_three_rows_is_the_case(seen: str, changes: list[int]) -> None:
    settled = Settled()
    assert [place for place, case in enumerate(seen) if settled.see(case.strip(), 3)] == changes
    assert Settled(*settled.dump()).dump() == settled.dump()
