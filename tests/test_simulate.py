"""The simulated host behaves like one, and its history goes the way of a real one's."""

import json
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import mean
from typing import Any

import pytest

from tcptide import findings, trends
from tcptide.clock import SYSTEM
from tcptide.config import Config, Retention
from tcptide.model import STATES, Sample
from tcptide.series import COUNTERS, SERIES, point_of
from tcptide.simulate import samples, simulate
from tcptide.simulation.events import wanted
from tcptide.simulation.host import DAY_SECONDS, INCIDENTS, Host, Incident, place
from tcptide.simulation.profile import LIMITS, Profile
from tcptide.simulation.roles import ROLES, profile
from tcptide.store import Reader

from . import worlds

MONDAY = 1_800_230_400.0  # 2027-01-18 00:00 UTC
HOUR = 3600.0


def history(seconds: float, *incidents: Incident, seed: int = 1, since: float = MONDAY) -> list[Sample]:
    return list(samples(Host(seed, since - DAY_SECONDS, incidents), since, since + seconds, 60))


def of_role(role: str, seed: int, seconds: float = DAY_SECONDS, *incidents: Incident) -> list[Sample]:
    host = Host(seed, MONDAY - DAY_SECONDS, incidents, profile(role, seed))
    return list(samples(host, MONDAY, MONDAY + seconds, 60))


def value(sample: Sample, name: str) -> float:
    found = point_of(sample).values[name]
    assert found is not None
    return found


def averages(of: Sequence[Sample], name: str) -> float:
    return mean(value(sample, name) for sample in of)


def test_a_seed_is_a_history() -> None:
    assert history(6 * HOUR) == history(6 * HOUR)
    assert history(6 * HOUR) != history(6 * HOUR, seed=2)


def test_every_sample_is_whole_and_says_that_it_is_simulated() -> None:
    for sample in history(DAY_SECONDS)[::97]:
        assert sample.origin.simulated
        assert set(sample.states) == set(STATES)
        assert [series.name for series in SERIES if series.get(sample) is None] == []
        assert {state for holder in sample.holders for state in holder.states}.isdisjoint({"LISTEN"})


def test_counters_never_go_down() -> None:
    points = [point_of(sample).values for sample in history(6 * HOUR)]
    for name in COUNTERS:
        values = [values[name] or 0 for values in points]
        assert values == sorted(values), name


def test_time_wait_is_its_rate_times_60_seconds() -> None:
    of = history(2 * HOUR, since=MONDAY + 9 * HOUR)
    seconds = of[-1].origin.boottime_seconds - of[0].origin.boottime_seconds
    per_second = (value(of[-1], "time_wait_created") - value(of[0], "time_wait_created")) / seconds
    assert averages(of, "time_wait") == pytest.approx(60 * per_second, rel=0.03)


def test_days_and_weeks_have_a_rhythm() -> None:
    of = history(7 * DAY_SECONDS)
    night = averages(of[2 * 60 : 4 * 60], "total")
    noon = averages(of[10 * 60 : 12 * 60], "total")
    sunday = averages(of[(6 * 24 + 10) * 60 : (6 * 24 + 12) * 60], "total")
    assert 3 * night < noon
    assert 0.3 * noon < sunday < 0.6 * noon


@pytest.mark.parametrize(
    "kind, name, during",
    [
        pytest.param("leak", "close_wait", 1500.0, id="leak"),
        pytest.param("flood", "syn_recv", 480.0, id="flood"),
        pytest.param("port-exhaustion", "worst_destination", 60.0, id="port-exhaustion"),
        pytest.param("accept-queue", "worst_listener", 95.0, id="accept-queue"),
    ],
)
def test_an_incident_is_seen_while_it_lasts(kind: str, name: str, during: float) -> None:
    begins, ends = MONDAY + 10 * HOUR, MONDAY + 14 * HOUR
    of = history(20 * HOUR, Incident(kind, begins, ends, INCIDENTS[kind][2]))
    inside = [
        sample for sample in of if begins <= sample.origin.wall_seconds - 1.2 and sample.origin.wall_seconds < ends
    ]
    outside = [sample for sample in of if not begins <= sample.origin.wall_seconds < ends + 2]
    assert averages(inside, name) > during
    assert max(value(sample, name) for sample in outside) < during / 8


def test_a_destination_comes_near_its_last_port_and_not_beyond() -> None:
    begins, ends = MONDAY + 10 * HOUR, MONDAY + 14 * HOUR
    subject = INCIDENTS["port-exhaustion"][2]
    of = history(20 * HOUR, Incident("port-exhaustion", begins, ends, subject))
    worst = max((sample.ports.worst[0] for sample in of if sample.ports), key=lambda one: one.ports_used)
    assert f"{worst.remote}:{worst.remote_port}" == subject
    assert 95 < worst.utilisation_percent <= 100
    assert worst.time_wait == worst.ports_used - 40  # but for the pool


def test_what_fills_a_destination_is_told_as_what_it_is() -> None:
    begins, ends = MONDAY + 10 * HOUR, MONDAY + 14 * HOUR
    of = history(13 * HOUR, Incident("port-exhaustion", begins, ends, INCIDENTS["port-exhaustion"][2]))
    found = [one.code for one in findings.find(of[-1], trends.rates(point_of(of[-1]), [point_of(of[-10])]), ("ports",))]
    assert "destination_time_wait" in found
    assert "destination_range" not in found


def test_time_wait_ends_at_its_limit_and_the_rest_is_counted() -> None:
    surge = Incident("port-exhaustion", MONDAY + HOUR, MONDAY + 2 * HOUR, INCIDENTS["port-exhaustion"][2])
    limited = Profile(limits=LIMITS._replace(tcp_max_tw_buckets=4096))
    of = list(samples(Host(1, MONDAY - DAY_SECONDS, (surge,), limited), MONDAY, MONDAY + 3 * HOUR, 60))
    highest = max(of, key=lambda sample: value(sample, "time_wait"))
    assert value(highest, "time_wait") == 4096
    assert highest.ports
    assert sum(one.time_wait for one in highest.ports.worst) <= 4096
    assert value(of[50], "time_wait_overflows") == 0
    without_limit = value(history(3 * HOUR, surge)[-1], "time_wait_created")
    assert value(of[-1], "time_wait_created") + value(of[-1], "time_wait_overflows") == without_limit
    assert value(of[-1], "time_wait_overflows") > 500_000


def test_pool_closes_what_its_servers_have_closed() -> None:
    pool = Profile(dawdling=20, evicted_seconds=900.0)
    of = list(samples(Host(1, MONDAY - DAY_SECONDS, (), pool), MONDAY, MONDAY + 6 * HOUR, 60))  # a night
    ages = [one.oldest_seconds for sample in of[30:] for one in sample.lingering]
    assert len(ages) > 300
    assert 840 < max(ages) < 970


def test_what_a_leak_leaves_grows_old() -> None:
    of = history(3 * HOUR, Incident("leak", MONDAY + HOUR, MONDAY + 3 * HOUR, "app.service"))
    assert of[50].lingering == ()
    (left,) = of[-1].lingering
    assert left[:3] == ("unit", "app.service", "CLOSE_WAIT")
    assert left.sockets == pytest.approx(value(of[-1], "close_wait"), rel=0.02)
    assert left.oldest_seconds == pytest.approx(2 * HOUR, abs=70)


@pytest.mark.parametrize("role", ROLES)
def test_roles_are_whole_and_repeat(role: str) -> None:
    of = of_role(role, 3, 4 * HOUR)
    assert of == of_role(role, 3, 4 * HOUR)
    assert of[10] != of_role(role, 4, HOUR)[10]
    for sample in of[::37]:
        assert set(sample.states) == set(STATES)
        assert [s.name for s in SERIES if s.get(sample) is None and sample.tcp_info and sample.tcp_info.rtt_ms] == []
        assert not sample.ports or sample.ports.worst_percent < 60
        assert all(one.utilisation_percent < 70 for one in sample.listeners)


def test_roles_differ_by_three_orders_of_magnitude() -> None:
    sizes = sorted(averages(of_role(role, seed, HOUR / 4), "total") for role in ROLES for seed in range(6))
    assert sizes[2] < 5
    assert sizes[-2] > 5000


def test_a_role_has_incidents_of_its_own() -> None:
    subjects = {one.kind: one.subject for one in place(list(INCIDENTS), MONDAY, MONDAY + 1e6, 1, profile("mail", 1))}
    assert subjects == {
        "leak": "postfix.service",
        "flood": ":25",
        "accept-queue": ":25",
        "port-exhaustion": "198.51.100.200:25",
        "gap": "sampler",
    }
    accepting = Incident("accept-queue", MONDAY + 600, MONDAY + 1200, ":25")
    worst = of_role("mail", 1, HOUR, accepting)[15].listeners[0]
    assert (worst.port, worst.unit, worst.utilisation_percent > 95) == (25, "postfix.service", True)


def test_a_reboot_is_a_new_boot() -> None:
    of = of_role("web", 0, 1.3 * DAY_SECONDS)
    before, after = next(pair for pair in pairwise(of) if pair[0].origin.boot_id != pair[1].origin.boot_id)
    assert after.origin.boottime_seconds < 120
    assert value(after, "passive_opens") < value(before, "passive_opens")


def test_nothing_is_sampled_in_a_gap() -> None:
    gap = Incident("gap", MONDAY + HOUR, MONDAY + 2 * HOUR, "sampler")
    of = history(3 * HOUR, gap)
    assert len(of) == 120
    assert not [sample for sample in of if gap.begins_seconds <= sample.origin.wall_seconds < gap.ends_seconds]
    assert value(of[60], "passive_opens") - value(of[59], "passive_opens") > 3000  # the host went on


@pytest.mark.parametrize("days", [1, 14, 60])
def test_incidents_come_once_a_fortnight_and_one_at_a_time(days: int) -> None:
    for seed in range(20):
        placed = place(list(INCIDENTS), MONDAY, MONDAY + days * DAY_SECONDS, seed)
        assert len(placed) == len(INCIDENTS) * max(1, round(days / 14))
        assert {one.kind for one in placed} == set(INCIDENTS)
        ends = [MONDAY, *(time for one in placed for time in one[1:3]), MONDAY + days * DAY_SECONDS]
        assert ends == sorted(ends)
        assert all(one.ends_seconds - one.begins_seconds >= 500 for one in placed)


def test_an_old_part_leaves_only_rollups(state_dir: str) -> None:
    until = MONDAY + 6 * DAY_SECONDS + 420  # neither end is on a quarter of an hour
    since = MONDAY + 180
    settings = Config(retention=Retention(raw_days=1, rollup_days=4, event_days=4))
    written = simulate(state_dir, SYSTEM, since=since, until=until, seed=1, incidents=(), settings=settings)
    assert written == 5 * 288 - 1 + 1440 + 7
    with Reader(state_dir) as reader:
        points = reader.points("host", 0, 1e10)
        rollups = reader.rollups("host", "mean", 0, 1e10)
    assert points[0].wall_seconds >= until - DAY_SECONDS - 900
    assert len(points) == pytest.approx(1440, abs=20)
    assert len(rollups) == pytest.approx(4 * 96, abs=2)
    assert rollups[-1].quarter == until // 900 - 1
    assert {rollup.samples for rollup in rollups} == {3, 15}
    assert {round(rollup.covered_seconds / 100) for rollup in rollups} == {9}


def test_a_simulation_needs_a_state_of_its_own(state_dir: str, script: Callable[[str], str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = worlds.run([script("tcptide"), *arguments, "--state-dir", state_dir])
        return done.returncode, done.stdout, done.stderr

    simulation = ("simulate", "--days", "1", "--seed", "1", "--incidents", "none", "--until", "2027-01-19")
    assert run(*simulation) == (0, f"SIMULATED: 1440 samples of 1 days, 0 incidents, in {state_dir}\n", "")
    own = "a simulation needs a state of its own, see --state-dir"
    assert run(*simulation) == (1, "", f"tcptide simulate: {state_dir}: holds a simulated history; {own}\n")
    assert run("sample") == (1, "", f"tcptide sample: no history: {state_dir}: holds a simulated history\n")
    for name in os.listdir(state_dir):
        os.remove(os.path.join(state_dir, name))
    assert run("sample") == (0, "", "")
    assert run(*simulation) == (1, "", f"tcptide simulate: {state_dir}: holds real samples; {own}\n")


def test_labels_tell_the_truth(state_dir: str, script: Callable[[str], str], tmp_path: Any) -> None:
    labels = str(tmp_path / "labels.json")
    arguments = ["--days", "1", "--seed", "5", "--until", "2027-01-19T00:00Z", "--incidents", "flood,gap"]
    worlds.run(
        [script("tcptide"), "simulate", "--state-dir", state_dir, "--labels", labels, *arguments]
    ).check_returncode()
    with open(labels) as file:
        said = json.load(file)
    assert (said["seed"], said["since"], said["until"]) == (5, MONDAY, MONDAY + DAY_SECONDS)
    placed = {one["kind"]: one for one in said["incidents"]}
    with Reader(state_dir) as reader:
        points = reader.points("host", 0, 1e10)
    high = [point.wall_seconds for point in points if (point.values["syn_recv"] or 0) > 400]
    assert high[0] == pytest.approx(placed["flood"]["begins_seconds"], abs=62)
    assert high[-1] == pytest.approx(placed["flood"]["ends_seconds"], abs=62)
    pauses = [
        (earlier.wall_seconds, later.wall_seconds)
        for earlier, later in pairwise(points)
        if later.wall_seconds - earlier.wall_seconds > 120
    ]
    assert len(pauses) == 1
    assert pauses[0] == pytest.approx((placed["gap"]["begins_seconds"], placed["gap"]["ends_seconds"]), abs=62)


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [("leak@9d6h+15h", 9.25, 9.875), ("flood@0m+30m", 0.0, 0.5 / 24), ("gap@-1h+2h", 14 - 1 / 24, 14 + 1 / 24)],
)
def test_incident_is_where_it_is_wanted(text: str, begins: float, ends: float) -> None:
    one = wanted(text).at(MONDAY, MONDAY + 14 * DAY_SECONDS)
    assert (one.begins_seconds - MONDAY) / DAY_SECONDS == pytest.approx(begins)
    assert (one.ends_seconds - MONDAY) / DAY_SECONDS == pytest.approx(ends)


def test_incident_may_go_on_at_the_end(state_dir: str, script: Callable[[str], str], tmp_path: Any) -> None:
    labels = str(tmp_path / "labels.json")
    wants = ["--incident", "port-exhaustion@-10m+1h", "--incident", "flood@-20h", "--labels", labels]
    arguments = ["--days", "1", "--seed", "5", "--until", "2027-01-19T00:00Z", *wants]
    worlds.run([script("tcptide"), "simulate", "--state-dir", state_dir, *arguments]).check_returncode()
    with open(labels) as file:
        placed = [(one["kind"], one["subject"], one["ends_seconds"]) for one in json.load(file)["incidents"]]
    until = MONDAY + DAY_SECONDS
    assert placed == [
        ("port-exhaustion", "192.0.2.50:5432", until + 3000),
        ("flood", ":443", until - 20 * 3600 + 0.625 * 3600),
    ]
    with Reader(state_dir) as reader:
        used = [point.values["worst_destination"] or 0 for point in reader.points("host", until - 1200, until)]
    assert max(used[:9]) < 10 and used[-1] == max(used) > 50


def test_labels_that_cannot_be_written_are_named(state_dir: str, script: Callable[[str], str]) -> None:
    argv = [
        script("tcptide"),
        "simulate",
        "--days",
        "1",
        "--seed",
        "1",
        "--state-dir",
        state_dir,
        "--labels",
        "/nowhere/x",
    ]
    done = worlds.run(argv)
    said = "tcptide simulate: --labels /nowhere/x: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert os.listdir(state_dir) == []
