"""The detector as a whole: what it is fed, clocks, gaps, reboots and intervals, leaks."""

import json
import math
import random

import pytest

from tcptide.model import QUIET_PATTERNS
from tcptide.patterns import FACTORS, Detector
from tcptide.simulate import samples
from tcptide.simulation.host import INCIDENTS, Host, Incident
from tests.series import (
    DAY,
    DAY_SAMPLES,
    HOUR,
    HOUR_SAMPLES,
    START,
    States,
    Watch,
    bursts,
    days,
    first,
    runs,
    split,
    told,
    usual,
    watch,
)

LEAK_FROM = 30 * HOUR_SAMPLES


def leaking(state: str, per_hour: float, samples: int = 54 * HOUR_SAMPLES, seed: int = 1) -> list[States]:
    """A web server with people's day, and from LEAK_FROM on connections that are never closed."""
    rng = random.Random(seed)
    found = []
    for number, count in enumerate(days(1000, samples, swing=0.4, seed=seed)):
        states = {
            "ESTABLISHED": float(round(rng.gauss(0.4 * count, math.sqrt(0.4 * count)))),
            "TIME_WAIT": float(round(rng.gauss(0.6 * count, math.sqrt(0.6 * count)))),
            "CLOSE_WAIT": float(rng.randrange(4)),
        }
        states[state] += int(per_hour * max(0, number - LEAK_FROM) / HOUR_SAMPLES)
        found.append(states)
    return found


def test_more_eager_asks_for_less() -> None:
    assert list(FACTORS.values()) == sorted(FACTORS.values(), reverse=True)


@pytest.mark.parametrize("samples", [1, 5, 8])
def test_insufficient_data_while_the_history_is_young(samples: int) -> None:
    verdicts = watch(usual(100, samples))
    assert runs(verdicts) == [("insufficient_data", samples)]
    assert {verdict[1:3] + verdict[4:] for verdict in verdicts} == {(None, None, None, None)}


@pytest.mark.parametrize("jump", [0, 5000], ids=["to-nothing", "to-a-lot"])
def test_insufficient_data_even_if_the_count_jumps(jump: int) -> None:
    assert told(watch([100, 100, 100, jump, jump, jump])) == []


@pytest.mark.parametrize("state", ["CLOSE_WAIT", "ESTABLISHED"])
def test_slow_leak_is_found_beneath_the_day_with_evidence(state: str) -> None:
    counts = leaking(state, 40)
    verdicts = watch(counts)
    assert told(verdicts) == ["slow_leak"]
    found = first(verdicts, "slow_leak")
    assert LEAK_FROM < found < LEAK_FROM + 6 * HOUR_SAMPLES
    last = verdicts[-1]
    assert (last.pattern, last.grew) == ("slow_leak", state)
    assert last.since == pytest.approx(START + LEAK_FROM * 60, abs=3 * HOUR)
    assert last.expected is not None
    assert sum(counts[-1].values()) - last.expected == pytest.approx(24 * 40, rel=0.25)


def test_normal_again_after_the_leaking_service_was_restarted() -> None:
    counts = leaking("CLOSE_WAIT", 40)
    counts += leaking("CLOSE_WAIT", 0, 6 * HOUR_SAMPLES, seed=2)
    verdicts = watch(counts)
    assert verdicts[-1].pattern == "normal"


@pytest.mark.parametrize("at_once", [True, False], ids=["at-once", "over-three-samples"])
def test_the_end_of_a_leak_is_no_outage(at_once: bool) -> None:
    counts = leaking("CLOSE_WAIT", 40)
    after = leaking("CLOSE_WAIT", 0, 3 * HOUR_SAMPLES, seed=2)
    if not at_once:
        for number, share in enumerate((0.7, 0.3)):
            after[number]["CLOSE_WAIT"] += share * counts[-1]["CLOSE_WAIT"]
    assert told(watch(counts + after)) == ["slow_leak"]


def test_the_way_back_from_a_port_exhaustion_is_no_leak() -> None:
    """For hours ESTABLISHED says nothing of traffic by TIME_WAIT; what was learnt before must hold afterwards."""
    monday = 1_800_230_400.0
    begins = monday + DAY + 23 * HOUR
    incident = Incident("port-exhaustion", begins, begins + 3 * HOUR, INCIDENTS["port-exhaustion"][2])
    seen = Watch()
    for taken in samples(Host(2, monday - DAY, (incident,)), monday, monday + 2.4 * DAY, 60.0):
        seen.see([{state: sum(taken.states[state]) for state in ("ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT")}])
    assert "rapid_increase" in told(seen.verdicts)
    assert "slow_leak" not in told(seen.verdicts)


def test_what_is_expected_beneath_a_leak_is_no_less_than_nothing() -> None:
    counts = leaking("CLOSE_WAIT", 40) + [{"ESTABLISHED": 1.0, "TIME_WAIT": 0.0, "CLOSE_WAIT": 2.0}] * 5
    assert all(verdict.expected is None or verdict.expected >= 0 for verdict in watch(counts))


def test_an_outage_while_something_leaks_is_named() -> None:
    counts = leaking("CLOSE_WAIT", 40)
    gone = [{**states, "ESTABLISHED": 2.0, "TIME_WAIT": 0.0} for states in leaking("CLOSE_WAIT", 0, 30, seed=2)]
    leaked = counts[-1]["CLOSE_WAIT"] - counts[0]["CLOSE_WAIT"]
    assert leaked < 0.7 * sum(counts[-1].values())
    for states in gone:
        states["CLOSE_WAIT"] = 0.0
    assert "rapid_decrease" in told(watch(counts + gone))


def test_close_wait_that_follows_the_day_is_no_leak() -> None:
    for seed in range(6):
        rng = random.Random(seed)
        counts = [
            {**split(count), "CLOSE_WAIT": max(0, round(rng.gauss(count / 20, math.sqrt(count / 20))))}
            for count in days(500, 4 * DAY_SAMPLES, swing=0.8, seed=seed)
        ]
        assert "slow_leak" not in told(watch(counts)), seed


def test_normal_traffic_is_no_leak() -> None:
    assert told(watch(leaking("CLOSE_WAIT", 0, 4 * DAY_SAMPLES))) == []


def test_a_flood_within_a_leak_is_told_with_its_own_evidence_and_the_leak_goes_on() -> None:
    counts = leaking("CLOSE_WAIT", 40)
    start = len(counts) - 3 * HOUR_SAMPLES
    for states in counts[start : start + 20]:
        states["SYN_RECV"] = 9000.0
    verdicts = watch(counts)
    assert [name for name in told(verdicts) if name != "spike"] == ["slow_leak", "rapid_increase", "slow_leak"]
    flood = verdicts[start + 15]
    assert flood.since == START + 60 * start
    assert verdicts[-1].grew == "CLOSE_WAIT"
    assert verdicts[-1].since == pytest.approx(START + LEAK_FROM * 60, abs=3 * HOUR)


@pytest.mark.parametrize("gap_seconds", [300, HOUR, DAY, 30 * DAY], ids=["minutes", "hour", "day", "month"])
def test_insufficient_data_after_a_gap_then_normal(gap_seconds: int) -> None:
    seen = Watch()
    seen.see(usual(100, 5 * HOUR_SAMPLES))
    seen.wall += gap_seconds
    after = seen.see(usual(350, 5 * HOUR_SAMPLES, seed=2))
    assert [name for name, _ in runs(after)] == ["insufficient_data", "normal"]


def test_an_event_does_not_outlive_a_gap() -> None:
    seen = Watch()
    seen.see(usual(100, 5 * HOUR_SAMPLES))
    assert told(seen.see([1500] * 10))[-1] == "rapid_increase"
    seen.wall += HOUR
    assert told(seen.see(usual(1500, HOUR_SAMPLES, seed=2))) == []


@pytest.mark.parametrize("missed", [1, 2])
def test_a_missed_sample_or_two_hide_nothing(missed: int) -> None:
    seen = Watch()
    seen.see(usual(100, 5 * HOUR_SAMPLES))
    seen.wall += 60 * missed
    assert told(seen.see([900] * 10))[-1] == "rapid_increase"


@pytest.mark.parametrize("step", [HOUR, -HOUR, -3 * DAY, 400 * DAY], ids=["hour", "hour-back", "days-back", "year"])
@pytest.mark.parametrize("boot_clock", [False, True], ids=["wall-clock", "with-elapsed"])
def test_normal_after_the_clock_was_set(step: float, boot_clock: bool) -> None:
    detector = Detector(60)
    wall, seen = START, []
    for number, count in enumerate(usual(100, 10 * HOUR_SAMPLES)):
        wall += 60 + step * (number == 300)
        elapsed = 60.0 if boot_clock and number else None
        seen.append(detector.update(wall, split(count), elapsed_seconds=elapsed))
    quiet = {"normal"} if boot_clock else {"insufficient_data", "normal"}
    assert {verdict.pattern for verdict in seen[10:]} == quiet
    assert seen[-1].pattern == "normal"


def test_a_flood_is_seen_across_a_clock_that_was_set_by_what_elapsed() -> None:
    detector = Detector(60)
    for number, count in enumerate(usual(100, 300)):
        detector.update(START + 60 * number, split(count), elapsed_seconds=60.0)
    back = START + 300 * 60 - HOUR
    *_, verdict = (
        detector.update(back + 60 * number, split(900), elapsed_seconds=60.0, restarted=False) for number in range(10)
    )
    assert (verdict.pattern, verdict.since) == ("rapid_increase", back)


def test_the_clock_that_stands_still_is_no_flood_and_no_error() -> None:
    detector = Detector(60)
    names = {detector.update(START, split(count)).pattern for count in usual(100, 200)}
    assert names <= set(QUIET_PATTERNS)


def test_after_a_reboot_the_host_is_another_one() -> None:
    detector = Detector(60)
    counts = usual(1000, 5 * HOUR_SAMPLES) + usual(30, 5 * HOUR_SAMPLES, seed=2)
    verdicts = [
        detector.update(START + 60 * number, split(count), elapsed_seconds=60.0, restarted=number == 300)
        for number, count in enumerate(counts)
    ]
    assert [name for name, _ in runs(verdicts)] == ["insufficient_data", "normal"] * 2


@pytest.mark.parametrize("intervals", [(60, 300, 3600, 60), (300, 60), (3600, 300), (10, 60)])
def test_the_interval_may_change(intervals: tuple[int, ...]) -> None:
    seen = Watch(interval=intervals[0])
    for interval in intervals:
        assert told(seen.see(usual(400, 3 * DAY // interval if interval > 60 else 300), interval)) == []
        assert seen.detector.interval_seconds == interval
        assert seen.verdicts[-1].pattern == "normal"
    assert told(seen.see([3] * 10, intervals[-1]))[-1] == "rapid_decrease"


def test_samples_that_come_a_little_early_or_late_change_nothing() -> None:
    rng = random.Random(3)
    detector = Detector(60)
    verdicts = [
        detector.update(START + 60 * number + rng.uniform(-12, 12), split(count))
        for number, count in enumerate(bursts(usual(200, 6 * HOUR_SAMPLES), 15, 700))
    ]
    assert told(verdicts[90:]) == []
    assert {verdict.pattern for verdict in verdicts[120:]} == {"periodic"}


def test_an_extra_look_between_two_samples_is_no_gap() -> None:
    detector = Detector(60)
    wall, names = START, []
    for number, count in enumerate(usual(200, 5 * HOUR_SAMPLES)):
        wall += 60
        names.append(detector.update(wall, split(count)).pattern)
        if number % 50 == 0:
            names.append(detector.update(wall + 4, split(count)).pattern)
    assert set(names[10:]) == {"normal"}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -5.0], ids=["nan", "inf", "minus-inf", "negative"])
def test_what_is_no_count_is_left_out(bad: float) -> None:
    seen = Watch()
    counts: list[States] = [split(count) for count in usual(200, 5 * HOUR_SAMPLES)]
    for states in counts[100::7]:
        states["CLOSE_WAIT"] = bad
    verdicts = seen.see(counts)
    assert told(verdicts) == []
    assert all(verdict.seen is not None and 0 <= verdict.seen < 1000 for verdict in verdicts)
    json.dumps(seen.detector.dump(), allow_nan=False)
    assert told(seen.see([{"ESTABLISHED": 2000.0, "SYN_RECV": bad}] * 10))[-1] == "rapid_increase"


def test_no_states_are_no_sockets() -> None:
    seen = Watch()
    seen.see(usual(200, 5 * HOUR_SAMPLES))
    *_, verdict = seen.see([{}] * 10)
    assert (verdict.pattern, verdict.seen) == ("rapid_decrease", 0.0)


def test_an_unknown_sensitivity_is_refused() -> None:
    with pytest.raises(KeyError):
        Detector(60, "loud")
