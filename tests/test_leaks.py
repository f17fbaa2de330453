"""Slow leaks: sockets that pile up under traffic that comes and goes, and what only looks like it."""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tcptide.detection.leaks import LeakFinder, SlowLeak
from tests.series import DAY_SAMPLES, HOUR_SAMPLES, MINUTE, START

ONSET = 30 * HOUR_SAMPLES
LONG = 54 * HOUR_SAMPLES
Look = dict[str, float]


def host(samples: int, leak: Mapping[str, float] | None = None, until: int = LONG, **changes: Any) -> Iterator[Look]:
    """A web server: `leak` sockets an hour by state from ONSET on; changes: level, swing, wander, time_wait, seed."""
    rng = random.Random(changes.get("seed", 1))
    level, swing, drift = changes.get("level", 400.0), changes.get("swing", 0.6), 0.0
    for number in range(samples):
        rate = math.exp(swing * math.sin(2 * math.pi * number / DAY_SAMPLES))
        drift += rng.gauss(0, changes.get("wander", 0.02) * math.sqrt(2 / 180)) - drift / 180  # over three hours
        means = {
            "ESTABLISHED": level * rate * math.exp(drift),
            "TIME_WAIT": changes.get("time_wait", 0.5) * level * rate,
        }
        look = {state: float(max(0, round(rng.gauss(mean, math.sqrt(mean))))) for state, mean in means.items()}
        look["CLOSE_WAIT"] = float(rng.randrange(6))
        if ONSET < number < until:
            for state, per_hour in (leak or {}).items():
                look[state] += int(per_hour * (number - ONSET) / HOUR_SAMPLES)
        yield look


def watched(looks: Iterator[Look], event: Callable[[int], bool] = lambda _: False) -> list[SlowLeak | None]:
    finder = LeakFinder(MINUTE)
    return [
        finder.update(START + number * MINUTE, MINUTE, look, event=event(number)) for number, look in enumerate(looks)
    ]


def hours_until_found(found: list[SlowLeak | None]) -> float:
    return (next(number for number, leak in enumerate(found) if leak) - ONSET) / HOUR_SAMPLES


@pytest.mark.parametrize(
    ("state", "per_hour", "within", "since_within"),
    [
        ("CLOSE_WAIT", 6, 5, 3),
        ("CLOSE_WAIT", 60, 1.2, 0.5),
        ("CLOSE_WAIT", 3000, 1.5, 0.5),
        ("ESTABLISHED", 30, 6, 5.5),  # so few of so many that the day hides when they began
        ("ESTABLISHED", 100, 2.5, 1),
    ],
)
def test_leak_found_while_it_is_small(state: str, per_hour: float, within: float, since_within: float) -> None:
    found = watched(host(LONG, {state: per_hour}))
    assert not any(found[:ONSET])
    assert hours_until_found(found) <= within
    last = found[-1]
    assert last is not None
    assert last.state == state
    assert last.per_second == pytest.approx(per_hour / 3600, rel=0.1 if state == "CLOSE_WAIT" else 0.5)
    assert last.sockets == pytest.approx(24 * per_hour, rel=0.2)
    assert last.since == pytest.approx(START + ONSET * MINUTE, abs=since_within * 3600)


def test_since_stays_what_it_was_when_found() -> None:
    leaks = [leak for leak in watched(host(LONG, {"CLOSE_WAIT": 60})) if leak]
    assert {round(leak.since) for leak in leaks} == {round(leaks[0].since)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "changes", [{"swing": 1.0}, {"wander": 0.06}, {"time_wait": 0.0}, {"level": 5.0, "swing": 0.0}]
)
def test_no_leak_in_days_that_come_and_go(changes: dict[str, Any], seed: int) -> None:
    assert not any(watched(host(5 * DAY_SAMPLES, **changes, seed=seed)))


def test_no_leak_where_the_level_steps() -> None:
    steps = (
        {**look, "ESTABLISHED": look["ESTABLISHED"] * (1 + (number > ONSET))} for number, look in enumerate(host(LONG))
    )
    assert not any(watched(steps, event=lambda number: ONSET < number < ONSET + HOUR_SAMPLES))


def test_no_leak_in_bursts_of_a_cron_job() -> None:
    bursts = (
        {**look, "CLOSE_WAIT": look["CLOSE_WAIT"] + 200 * (number > ONSET and number % 10 == 0)}
        for number, look in enumerate(host(LONG))
    )
    assert not any(watched(bursts))


@pytest.mark.parametrize("state", ["CLOSE_WAIT", "ESTABLISHED"])
def test_leak_over_as_soon_as_its_sockets_are_gone(state: str) -> None:
    end = ONSET + 12 * HOUR_SAMPLES
    found = watched(host(LONG, {state: 60}, until=end))
    assert found[end - 1]
    assert not any(found[end + 10 :])


def test_leak_over_when_most_of_it_is_gone() -> None:
    found, finder = [], LeakFinder(MINUTE)
    for number, look in enumerate(host(LONG)):
        look["CLOSE_WAIT"] += max(0, number - ONSET) if number < ONSET + 600 else 180
        found.append(finder.update(START + number * MINUTE, MINUTE, look))
    assert found[ONSET + 599]
    assert not any(found[ONSET + 610 :])


def test_leak_over_when_it_stops_growing() -> None:
    found = []
    finder = LeakFinder(MINUTE)
    for number, look in enumerate(host(LONG)):
        look["CLOSE_WAIT"] += min(max(0, number - ONSET), 6 * HOUR_SAMPLES)
        found.append(finder.update(START + number * MINUTE, MINUTE, look))
    assert found[ONSET + 6 * HOUR_SAMPLES]
    assert not any(found[ONSET + 12 * HOUR_SAMPLES :])


def test_leak_over_with_another_boot() -> None:
    finder = LeakFinder(MINUTE)
    for number, look in enumerate(host(ONSET + 6 * HOUR_SAMPLES, {"CLOSE_WAIT": 60})):
        leak = finder.update(START + number * MINUTE, MINUTE, look)
    assert leak
    assert finder.update(START + (number + 1) * MINUTE, MINUTE, {"ESTABLISHED": 9}, restarted=True) is None


def test_eager_finds_sooner() -> None:
    hours = []
    for sensitivity in (1.0, 0.7):
        finder = LeakFinder(MINUTE, sensitivity)
        looks = enumerate(host(LONG, {"ESTABLISHED": 20}))
        found = [finder.update(START + number * MINUTE, MINUTE, look) for number, look in looks]
        hours.append(hours_until_found(found))
    assert hours[1] < hours[0]


def test_goes_on_from_a_dump_as_if_it_had_not_stopped() -> None:
    whole, parts = LeakFinder(MINUTE), LeakFinder(MINUTE)
    sizes = []
    for number, look in enumerate(host(ONSET + 8 * HOUR_SAMPLES, {"ESTABLISHED": 90, "CLOSE_WAIT": 1})):
        wall, elapsed = START + number * MINUTE, None if number % 500 == 0 else MINUTE
        assert parts.update(wall, elapsed, look, event=number % 97 == 0) == whole.update(
            wall, elapsed, look, event=number % 97 == 0
        )
        if number % 131 == 0:
            text = json.dumps(parts.dump(), separators=(",", ":"))
            sizes.append(len(text))
            parts = LeakFinder.load(MINUTE, 1.0, json.loads(text))
    assert whole.found
    assert json.dumps(parts.dump()) == json.dumps(whole.dump())
    assert max(sizes) < 6000


@pytest.mark.parametrize(
    "dumped", [{}, [], None, {"followers": []}, {"followers": [None, None]}, {"followers": [[], 1]}]
)
def test_refuses_what_is_no_dump(dumped: object) -> None:
    with pytest.raises(ValueError, match="no dump of a leak finder"):
        LeakFinder.load(MINUTE, 1.0, dumped)  # type: ignore[arg-type]


def test_survives_any_finite_number() -> None:
    rng = random.Random(3)
    odd = [-1.0, 0.0, 1e300, 7.0]
    finder = LeakFinder(MINUTE)
    for number in range(5000):
        look = {state: rng.choice(odd) for state in ("ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT") if rng.random() < 0.9}
        elapsed = rng.choice([None, 60.0, 60.0, 0.0, -5.0, math.nan, math.inf, 1e9])
        found = finder.update(START + number, elapsed, look, event=rng.random() < 0.1)
        json.dumps([found, finder.dump()], allow_nan=False)


@pytest.mark.parametrize("count", [0, 1, 100_000])
def test_no_leak_where_nothing_ever_changes(count: float) -> None:
    looks = ({"ESTABLISHED": count, "TIME_WAIT": count, "CLOSE_WAIT": count} for _ in range(3 * DAY_SAMPLES))
    assert not any(watched(looks))
