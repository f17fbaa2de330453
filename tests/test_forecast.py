"""When a limit is reached: leaks on a day's base, ramps of any resource, and silence where nothing grows."""

import json
import math
import random
from collections.abc import Iterable

import pytest

from tcptide.detection.leaks import SlowLeak
from tcptide.forecast import Trend, forecast
from tcptide.model import Forecast
from tcptide.tracker import Tracker
from tests.series import DAY_SAMPLES, HOUR_SAMPLES, MINUTE, START, days, usual

PORTS = 28_231


def ramp(samples: int, power: float = 1.0, noise: float = 1.0, seed: int = 1, before: int = 0) -> list[int]:
    """Ports towards a destination, from 1 % to all in `samples`; noise: as counts have it, so many times."""
    rng = random.Random(seed)
    shares = [0.01 + 0.99 * (max(0, number - before) / samples) ** power for number in range(before + samples + 1)]
    return [max(0, round(rng.gauss(PORTS * share, noise * math.sqrt(PORTS * share)))) for share in shares]


def forecasts(counts: Iterable[float], limit: float, interval: float = MINUTE) -> list[Forecast]:
    tracker, said = Tracker(interval), []
    for number, used in enumerate(counts):
        wall = START + number * interval
        tracker.update(wall, used, elapsed_seconds=interval if number else None)
        said.append(forecast(tracker.trend("ports"), "ports", limit, wall))
    return said


def claimed(said: list[Forecast]) -> int:
    return sum(each.seconds is not None for each in said)


@pytest.mark.parametrize("interval", [1, 5, 60, 300])
@pytest.mark.parametrize("before", [0, 300])
def test_ramp_said_within_twelve_samples(interval: float, before: int) -> None:
    said = forecasts(ramp(40, before=before), PORTS, interval)
    assert said[before + 4].reason == "no growth"
    for number in range(12, 36):
        told, left = said[before + number], (40 - number) * interval
        assert told.seconds == pytest.approx(left, rel=0.25, abs=2 * interval)


@pytest.mark.parametrize("seed", range(10))
def test_samples_that_come_late_change_nothing(seed: int) -> None:
    rng, tracker, last = random.Random(seed), Tracker(1), 0.0
    for number in range(27):
        now = number + rng.uniform(0, 0.8)  # seconds
        tracker.update(START + now, int(22 * now), elapsed_seconds=now - last if number else None)
        told, last = forecast(tracker.trend("ports"), "ports", 600, START + now), now
        if number > 10:
            assert told.seconds == pytest.approx(600 / 22 - now, rel=0.05, abs=0.5)


@pytest.mark.parametrize("power", [0.8, 1.0, 1.2])
def test_interval_holds_the_time_four_times_in_five(power: float) -> None:
    held = []
    for seed in range(30):
        counts = ramp(60 + seed, power, noise=seed % 4, seed=seed)
        hit = next((number for number, used in enumerate(counts) if used >= PORTS), len(counts))
        for number, told in enumerate(forecasts(counts, PORTS)[:hit]):
            if told.seconds is not None and told.low is not None:
                high = math.inf if told.high is None else told.high
                held.append(told.low <= (hit - number) * MINUTE <= high)
    assert len(held) > 900
    assert sum(held) / len(held) >= 0.8


QUIET = {
    "steady": [500.0] * 3000,
    "idle": [0.0] * 3000,
    "noisy": [float(each) for each in usual(500, 3000)],
    "small": [float(each) for each in usual(4, 3000)],
    "one-step": [500.0] * 1500 + [700.0] * 1500,
}


@pytest.mark.parametrize("counts", QUIET.values(), ids=list(QUIET))
def test_silent_where_nothing_grows(counts: list[float]) -> None:
    assert claimed(forecasts(counts, max(1.3 * max(counts), 50.0))) == 0


def test_silent_where_load_comes_and_goes() -> None:
    told = 0
    for seed in range(4):
        rng, wobble, counts = random.Random(seed), 0.0, []
        for _ in range(3000):
            wobble = 0.95 * wobble + rng.gauss(0, 0.03)
            counts.append(float(round(500 * math.exp(wobble))))
        told += claimed(forecasts(counts, 1.15 * max(counts)))
    assert told <= 0.0005 * 4 * 3000


@pytest.mark.parametrize("swing", [0.3, 0.9])
@pytest.mark.parametrize("room", [1.15, 2.0])
def test_silent_in_the_morning(swing: float, room: float) -> None:
    told = [
        claimed(forecasts(counts, room * max(counts)))
        for counts in (days(800, 4 * DAY_SAMPLES, swing=swing, seed=seed) for seed in range(2))
    ]
    assert sum(told) <= 0.0005 * 8 * DAY_SAMPLES


def test_ramp_is_over_when_it_stops() -> None:
    counts = ramp(60, noise=0)[:40]
    said = forecasts(counts + [counts[-1]] * 60, PORTS)
    assert said[39].seconds is not None
    assert claimed(said[52:]) == 0


def leaking_day(per_hour: float, until: int) -> tuple[Trend | None, int]:
    """The trend of connections after `until` samples, a leak from the 36th hour on; and how many there are."""
    tracker, onset = Tracker(MINUTE), 36 * HOUR_SAMPLES
    for number, count in enumerate(days(1000, until)):
        sockets, leak = max(0.0, per_hour * (number - onset) / HOUR_SAMPLES), None
        if number > onset + 2 * HOUR_SAMPLES:
            rate = per_hour / 3600
            leak = SlowLeak("CLOSE_WAIT", START + onset * MINUTE, sockets, rate, 0.02 * rate, 20.0)
        tracker.update(START + number * MINUTE, count + sockets, elapsed_seconds=MINUTE, leak=leak)
    return tracker.trend("connections"), onset


def test_leak_reaches_a_limit_on_top_of_yesterday() -> None:
    trend, onset = leaking_day(60, 44 * HOUR_SAMPLES)
    limit = 3000.0
    counts = days(1000, 4 * DAY_SAMPLES)
    hit = next(n for n in range(onset, len(counts)) if counts[n] + 60 * (n - onset) / HOUR_SAMPLES >= limit)
    left = (hit - 44 * HOUR_SAMPLES) * MINUTE
    told = forecast(trend, "connections", limit, START + (44 * HOUR_SAMPLES - 1) * MINUTE)
    assert told.seconds == pytest.approx(left, rel=0.15)
    assert told.low is not None
    assert told.low < left < (told.high or math.inf)


def test_leak_is_not_part_of_what_it_grows_on() -> None:
    with_leak, without = leaking_day(60, 44 * HOUR_SAMPLES)[0], leaking_day(1e-9, 44 * HOUR_SAMPLES)[0]
    assert with_leak
    assert without
    assert len(with_leak.base) == 48
    assert with_leak.base == pytest.approx(without.base, abs=5)


def test_no_trend_without_a_leak_or_a_ramp() -> None:
    assert leaking_day(60, 37 * HOUR_SAMPLES)[0] is None


STEADY = Trend("time_wait", START, 1000.0, 1000.0, 1.0, 0.1, 1.0, 0.0, 3600.0, 14400.0, (), 0.0)


@pytest.mark.parametrize(
    ("trend", "limit", "wall", "told"),
    [
        (None, 5000.0, 0, Forecast("time_wait", None, None, None, "no growth")),
        (STEADY, None, 0, Forecast("time_wait", None, None, None, "no limit")),
        (STEADY, 0.0, 0, Forecast("time_wait", None, None, None, "no limit")),
        (STEADY, 900.0, 0, Forecast("time_wait", 0.0, 0.0, 0.0, None)),
        (STEADY, 50_000.0, 0, Forecast("time_wait", None, None, None, "too far ahead")),
        (STEADY, 4600.0, 0, Forecast("time_wait", 3600.0, 3191.0, 4128.0, None)),
        (STEADY, 4600.0, 600, Forecast("time_wait", 3000.0, 2591.0, 3528.0, None)),
        (STEADY, 4600.0, 9000, Forecast("time_wait", 0.0, 0.0, 0.0, None)),
    ],
    ids=["no-growth", "no-limit", "zero-limit", "reached", "far", "near", "ten-minutes-later", "overdue"],
)
def test_forecast_of_a_trend(trend: Trend | None, limit: float | None, wall: float, told: Forecast) -> None:
    said = forecast(trend, "time_wait", limit, START + wall)
    assert (
        said._replace(
            **{
                part: each and round(each)
                for part, each in said._asdict().items()
                if part != "resource" and part != "reason"
            }
        )
        == told
    )


def test_goes_on_from_a_dump_as_if_it_had_not_stopped() -> None:
    whole, parts, sizes = Tracker(MINUTE), Tracker(MINUTE), []
    counts = [float(each) for each in days(800, 2 * DAY_SAMPLES)] + [800.0 + 40 * each for each in range(60)]
    for number, used in enumerate(counts):
        leak = SlowLeak("CLOSE_WAIT", START, 10.0, 0.01, 0.001, 9.0) if 2000 < number < 2200 else None
        for tracker in (whole, parts):
            elapsed = None if number % 700 == 0 else MINUTE
            tracker.update(START + number * MINUTE, used, elapsed_seconds=elapsed, leak=leak)
        assert parts.trend("conntrack") == whole.trend("conntrack")
        if number % 61 == 0 or number > 2 * DAY_SAMPLES:
            text = json.dumps(parts.dump(), separators=(",", ":"))
            sizes.append(len(text))
            parts = Tracker.load(json.loads(text))
    assert whole.trend("conntrack")
    assert json.dumps(parts.dump()) == json.dumps(whole.dump())
    assert max(sizes) < 3000


@pytest.mark.parametrize("dumped", [{}, [], None, {"ramps": []}, {"ramps": 5}, {"day": []}])
def test_refuses_what_is_no_dump(dumped: object) -> None:
    with pytest.raises(ValueError, match="no dump of a tracker"):
        Tracker.load(dumped)  # type: ignore[arg-type]


def test_survives_any_number() -> None:
    rng, tracker = random.Random(2), Tracker(MINUTE)
    odd = [None, math.nan, math.inf, -1.0, 0.0, 1e300, 7.0, 1e6]
    for number in range(5000):
        elapsed = rng.choice([None, 60.0, 60.0, 60.0, 0.0, -5.0, math.nan, math.inf, 1e9])
        restarted = rng.random() < 0.01
        tracker.update(START + number, rng.choice(odd), elapsed_seconds=elapsed, restarted=restarted)
        trend = tracker.trend("ports")
        json.dumps([tracker.dump(), trend, forecast(trend, "ports", 1e7, START + number)], allow_nan=False)


def test_gap_begins_anew() -> None:
    tracker = Tracker(MINUTE)
    for number, used in enumerate(ramp(40)[:20]):
        tracker.update(START + number * MINUTE, used, elapsed_seconds=MINUTE)
    assert tracker.trend("ports")
    tracker.update(START + 3600 * 9, 9000, elapsed_seconds=3600 * 8)
    assert tracker.trend("ports") is None
