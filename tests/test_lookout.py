"""What rows mean, stepped through one by one: the whole of the judgement, without a database."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tcptide import config, lookout, patterns
from tcptide.codec import top_from_json, top_to_json
from tcptide.lingering import of_ages
from tcptide.lookout import Change, Lookout
from tcptide.model import Holder, Sample
from tcptide.observation import Observation, observe
from tcptide.outlook import Outlook
from tcptide.series import point_of
from tcptide.simulate import samples
from tcptide.simulation.host import INCIDENTS, Host, Incident

from .samples import ORIGIN, PORTS, destination, sample, states

MONDAY = 1_800_230_400.0
HOUR = 3600.0


def observed(seen: Sample, **limits: float) -> Observation:
    return observe(point_of(seen), top_from_json(top_to_json(seen)), limits)


def minute(number: int, **changes: Any) -> Observation:
    """The row of so many minutes after ORIGIN's."""
    return observed(sample(**{**at(60 * number), **changes}))


def at(seconds: float) -> dict[str, float]:
    """The fields of ORIGIN so many seconds later."""
    return {name: getattr(ORIGIN, name) + seconds for name in ("wall_seconds", "boottime_seconds")}


def wobbling(number: int) -> dict[str, tuple[int, int]]:
    """About 1204 connections, a few more or less each minute."""
    return states(ESTABLISHED=1100 + round(20 * math.sin(number)), TIME_WAIT=61 + round(5 * math.cos(2 * number)))


def steady(minutes: Iterable[int], **changes: Any) -> Iterator[Observation]:
    return (minute(number, **{"states": wobbling(number), **changes}) for number in minutes)


def stepped(rows: Iterable[Observation], through: Lookout | None = None) -> tuple[Lookout, list[tuple[Outlook, Any]]]:
    """Each row's outlook, with the changes that came with it."""
    stepping = through or Lookout(60.0)
    return stepping, [(stepping.step(row), stepping.changes) for row in rows]


def changes_of(found: list[tuple[Outlook, Any]]) -> list[Change]:
    return [change for _, changes in found for change in changes]


def simulated(hours: float, *incidents: Incident, since: float = MONDAY + 6 * HOUR) -> list[Observation]:
    host = Host(3, since - 86_400, incidents)
    return [observed(seen) for seen in samples(host, since, since + hours * HOUR, 60.0)]


def incident(kind: str, begins: float, hours: float) -> Incident:
    return Incident(kind, begins, begins + hours * HOUR, INCIDENTS[kind][2])


def test_sensitivities_are_those_of_the_configuration() -> None:
    (key,) = [key for key in config.KEYS if key.name == "pattern.sensitivity"]
    assert [key.read(name) for name in patterns.SENSITIVITIES] == list(patterns.SENSITIVITIES)


def test_stepping_through_dumps_is_stepping() -> None:
    begins = MONDAY + 8 * HOUR
    rows = simulated(
        7,
        incident("flood", begins, 0.5),
        incident("gap", begins + HOUR, 0.3),
        incident("port-exhaustion", begins + 2 * HOUR, 2),
    )
    rows[200:] = [row._replace(boot_id="other", boottime_seconds=row.boottime_seconds - 9e4) for row in rows[200:]]
    straight, through = Lookout(60.0, "normal"), Lookout(60.0, "normal")
    said = set()
    for row in rows:
        through = Lookout.load(60.0, "normal", json.loads(json.dumps(through.dump())))
        found = straight.step(row)
        assert through.step(row) == found
        assert through.changes == straight.changes
        said.add(found.verdict.pattern)
    assert json.dumps(through.dump()) == json.dumps(straight.dump())
    assert {"insufficient_data", "normal"} < said


def test_a_steady_number_is_normal_and_no_event() -> None:
    _, found = stepped(steady(range(300)))
    assert found[0][0].verdict.pattern == "insufficient_data"
    assert {one.verdict.pattern for one, _ in found[60:]} == {"normal"}
    assert changes_of(found) == []


def flood(number: int) -> dict[str, tuple[int, int]]:
    return {**wobbling(number), "SYN_RECV": (9000, 0)}


def test_a_flood_is_an_event_when_it_begins_and_when_it_is_over() -> None:
    rows = [
        *steady(range(120)),
        *(minute(number, states=flood(number)) for number in range(120, 140)),
        *steady(range(140, 200)),
    ]
    _, found = stepped(rows)
    began, *others, over = changes_of(found)
    assert (began.before, over.pattern) == (None, "normal")
    alarms = [place for place, (one, _) in enumerate(found) if one.alarm]
    assert alarms[0] in range(120, 125)
    assert found[alarms[0]][1] == (began,)
    worst = found[135][0]
    assert (worst.verdict.pattern, worst.verdict.grew) == ("rapid_increase", "SYN_RECV")
    assert worst.change == pytest.approx(9000, abs=100)
    assert [change.before for change in others] == [change.pattern for change in (began, *others)][:-1]


def test_evidence_names_the_state_that_has_the_change_now() -> None:
    def stuck(number: int) -> dict[str, tuple[int, int]]:
        first = number < 123
        return {**wobbling(number), "TIME_WAIT": (3000 if first else 61, 0), "SYN_SENT": (0 if first else 9000, 0)}

    rows = [*steady(range(120)), *(minute(number, states=stuck(number)) for number in range(120, 140))]
    _, found = stepped(rows)
    assert [found[place][0].verdict.grew for place in (121, 130)] == ["TIME_WAIT", "SYN_SENT"]


def test_evidence_names_no_state_where_all_have_grown() -> None:
    all_over = {"ESTABLISHED": (3000, 0), "TIME_WAIT": (2500, 0), "FIN_WAIT2": (2500, 0)}
    rows = [*steady(range(120)), *(minute(number, states={**wobbling(0), **all_over}) for number in range(120, 130))]
    _, found = stepped(rows)
    last = found[-1][0]
    assert (last.verdict.pattern, last.verdict.grew, last.change) == ("rapid_increase", None, None)


def test_the_restart_that_ends_a_leak_is_no_outage() -> None:
    rows = [*steady(range(60)), *(leaking(number, 20 * (number - 59)) for number in range(60, 160))]
    rows += steady(range(160, 260))
    _, found = stepped(rows)
    assert [(change.pattern, change.before) for change in changes_of(found)] == [
        ("slow_leak", None),
        ("normal", "slow_leak"),
    ]


def test_what_runs_full_and_stays_full_is_not_out_of_reach() -> None:
    def filling(number: int) -> Observation:
        used = min(27_000, 2_000 + 150 * max(0, number - 100))
        one = destination(ports_used=used, utilisation_percent=used / 282.32)
        return minute(number, states=wobbling(number), ports=PORTS._replace(worst=(one,)))

    _, found = stepped(filling(number) for number in range(500))
    said = [(place, change.forecast) for place, (_, changes) in enumerate(found) for change in changes]
    assert [forecast.seconds is not None for _, forecast in said if forecast] == [True]


@pytest.mark.parametrize("seconds", [(100, 200), (45, 255), (60, 240), (70, 50, 190), (300,)], ids=str)
def test_rows_of_several_checks_in_turn_are_judged(seconds: tuple[int, ...]) -> None:
    stepping, found, now = Lookout(60.0), [], 0.0
    for number in range(400):
        now += seconds[number % len(seconds)]
        counts = wobbling(number) if number < 300 else states(ESTABLISHED=20)
        used = 2_000 + (60 * max(0, number - 150) if number < 300 else 9_000)
        one = destination(ports_used=used, utilisation_percent=used / 282.32)
        found.append(stepping.step(minute(0, **at(now), states=counts, ports=PORTS._replace(worst=(one,)))))
    assert {one.verdict.pattern for one in found[60:299]} == {"normal"}
    assert found[310].verdict.pattern == "rapid_decrease"
    assert [trend.resource.split()[0] for trend in found[290].trends] == ["ports"]


def test_each_flood_has_its_own_holder() -> None:
    def held(number: int, web: int, app: int) -> Observation:
        units = (
            Holder("unit", "nginx.service", {"ESTABLISHED": web}),
            Holder("unit", "app.service", {"ESTABLISHED": app}),
        )
        return minute(number, states={**wobbling(number), "ESTABLISHED": (web + app, 0)}, holders=units)

    rows = [held(number, 700, 400) for number in range(90)]
    rows += [held(number, 9000, 400) for number in range(90, 100)]
    rows += [held(number, 700, 400) for number in range(100, 200)]
    rows += [held(number, 700, 9000) for number in range(200, 210)]
    _, found = stepped(rows)
    assert [found[place][0].verdict.holder for place in (95, 150, 205)] == ["nginx.service", None, "app.service"]


def test_after_a_boot_no_pattern_is_named_for_ten_minutes() -> None:
    stepping, _ = stepped(steady(range(120)))
    up = {"boot_id": "next"}
    booted = [
        minute(
            number, boottime_seconds=60.0 * (number - 119), states=states(ESTABLISHED=10 + 1000 * (number > 125)), **up
        )
        for number in range(120, 129)
    ]
    _, found = stepped(booted, stepping)
    assert {one.verdict.pattern for one, _ in found} <= {"insufficient_data", "normal"}
    assert changes_of(found) == []


def test_a_handful_of_connections_is_no_pattern() -> None:
    few = dict.fromkeys(wobbling(0), (0, 0))
    rows = [minute(number, states={**few, "ESTABLISHED": (2, 0)}) for number in range(120)]
    rows += [minute(number, states={**few, "ESTABLISHED": (19, 0)}) for number in range(120, 140)]
    _, found = stepped(rows)
    assert {one.verdict.pattern for one, _ in found[60:]} == {"normal"}
    rows[120:] = [minute(number, states={**few, "ESTABLISHED": (60, 0)}) for number in range(120, 140)]
    _, found = stepped(rows)
    assert any(one.alarm for one, _ in found)


def leaking(number: int, joined: int) -> Observation:
    """A unit that has one socket more in CLOSE_WAIT each minute."""
    ages = [60.0 * place for place in range(joined, 0, -1)]
    lingering = (of_ages("unit", "app.service", "CLOSE_WAIT", ages),) if ages else ()
    return minute(number, states={**wobbling(number), "CLOSE_WAIT": (9 + joined, 0)}, lingering=lingering)


def test_a_leak_that_was_seen_to_stay_is_named_with_its_holder_within_ten_rows() -> None:
    rows = [*steady(range(60)), *(leaking(number, number - 59) for number in range(60, 75))]
    _, found = stepped(rows)
    (named,) = changes_of(found)
    assert (named.pattern, named.before) == ("slow_leak", None)
    first = next(place for place, (one, _) in enumerate(found) if one.alarm)
    assert first < 70
    last = found[-1][0]
    assert (last.verdict.pattern, last.verdict.grew, last.verdict.holder) == ("slow_leak", "CLOSE_WAIT", "app.service")
    assert last.per_hour == pytest.approx(60, rel=0.1)
    assert last.leaks[0].holder == "app.service"
    grows = {one.resource: 3600 * one.slope_per_second for one in last.trends}
    assert grows["connections"] == pytest.approx(60, rel=0.3)


@pytest.mark.parametrize(
    ("flood", "patterns"), [(0, {"slow_leak"}), (5000, {"rapid_increase"})], ids=["leak-alone", "leak-and-flood"]
)
def test_a_leak_that_makes_a_sudden_rise_is_a_leak(flood: int, patterns: set[str]) -> None:
    def row(number: int) -> Observation:
        joined = 3 * max(0, number - 59)
        ages = [20.0 * place for place in range(joined, 0, -1)]
        lingering = (of_ages("unit", "app.service", "CLOSE_WAIT", ages),) if ages else ()
        few = dict.fromkeys(wobbling(0), (0, 0))
        counts = {**few, "ESTABLISHED": (40 + flood * (number > 68), 0), "CLOSE_WAIT": (joined, 0)}
        return minute(number, states=counts, lingering=lingering)

    _, found = stepped(row(number) for number in range(80))
    assert {one.verdict.pattern for one, _ in found[72:]} == patterns
    assert {leak.holder for leak in found[-1][0].leaks} == {"app.service"}


def ramp(number: int, ports: int) -> Observation:
    return minute(number, worst=(destination(ports),), states=wobbling(number))


def test_a_limit_that_comes_into_reach_is_an_event_and_when_it_no_longer_is() -> None:
    rows = [ramp(number, 1000) for number in range(40)]
    rows += [ramp(number, 1000 + 400 * (number - 39)) for number in range(40, 80)]
    rows += [ramp(number, 1000) for number in range(80, 140)]
    _, found = stepped(rows)
    resource = "ports 10.0.0.1 10.0.0.5:5432"
    near, far = [change.forecast for change in changes_of(found) if change.forecast]
    assert (near.resource, far.resource) == (resource, resource)
    assert near.seconds is not None and near.seconds < 2 * HOUR
    assert far.seconds is None
    assert [one.resource for one in found[75][0].trends] == [resource]


def test_another_boot_goes_on_without_a_pattern() -> None:
    stepping, _ = stepped(steady(range(120)))
    other = {"boot_id": "next", "boottime_seconds": 90_000.0}
    _, found = stepped([minute(121, states=states(ESTABLISHED=4000), **other)], stepping)
    assert not found[0][0].alarm


@pytest.mark.parametrize("dumped", [None, [], {}, {"detector": {}}, "lookout", {"detector": None, "resources": {}}])
def test_what_is_no_dump_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError):
        Lookout.load(60.0, "quiet", dumped)


def test_a_row_without_what_can_run_out_is_judged_too() -> None:
    unseen = sample(nf_conntrack_count=None, nf_conntrack_max=None, tcp_max_tw_buckets=None, ports=None)
    row = observed(unseen)
    assert set(row.used) == {"connections", "time_wait"}
    assert row.limits == {}
    assert Lookout(60.0).step(row).verdict.pattern == "insufficient_data"
    assert observed(unseen, connections=5000.0).limits == {"connections": 5000.0}


def test_the_state_stays_small() -> None:
    stepping, _ = stepped(simulated(30))
    assert len(json.dumps(stepping.dump(), separators=(",", ":"))) < 40_000
    assert lookout.VERSION.endswith(patterns.VERSION)
