"""Whether connections fare worse than usual: histories of many kinds, and what is said of the newest look."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tcptide import levels, quality
from tcptide.model import Point, Rollup
from tcptide.quality import Quality, usual_at
from tests.samples import point

DAY = 96  # quarters of an hour
NOW = 104 * DAY + 48  # noon of a Wednesday

#: Round-trip times of a quarter of an hour: median, 95th percentile; then what retransmits, and connections.
Figures = tuple[float | None, float | None, float | None, float | None]

STEADY: Figures = (24.0, 95.0, 0.4, 400.0)


def history(days: float, of: Callable[[int], Figures] = lambda quarter: STEADY) -> list[Rollup]:
    """The quarters of so many days before now."""
    numbers = range(NOW - round(days * DAY), NOW)
    return [Rollup("mean", number, 15, 900.0, dict(zip(quality.NAMES, of(number), strict=True))) for number in numbers]


def row(minute: float, figures: Figures = STEADY, **changes: Any) -> Point:
    """A row so many minutes after noon, two days after the boot."""
    whole = point(wall_seconds=900.0 * NOW + 60 * minute, boottime_seconds=2 * 86400.0 + 60 * minute, **changes)
    return whole._replace(values={**whole.values, **dict(zip(quality.NAMES, figures, strict=True))})


def compare(newest: Point, rows: list[Point], quarters: list[Rollup], maxima: list[Rollup] | None = None) -> Quality:
    """Without maxima each quarter was the same throughout."""
    return quality.compare(newest, rows, usual_at(newest.wall_seconds, quarters, maxima or quarters))


def compared(figures: Figures, quarters: list[Rollup], minutes: int = 4, maxima: list[Rollup] | None = None) -> Quality:
    """What is said when the last minutes were all like this, and those before as ever."""
    rows = [*(row(minute) for minute in range(-30, 0)), *(row(minute, figures) for minute in range(minutes))]
    return compare(rows[-1], rows, quarters, maxima)


def kinds(figures: Figures, quarters: list[Rollup], minutes: int = 4) -> list[str]:
    return [one.kind for one in compared(figures, quarters, minutes).degradations]


SLOW: Figures = (75.0, 300.0, 0.4, 400.0)


def test_steady_host_has_nothing_worse() -> None:
    found = compared(STEADY, history(8))
    assert found == Quality({"rtt_p50_ms": 24.0, "rtt_p95_ms": 95.0, "retransmitting_percent": 0.4}, (), None)


def test_slower_connections_are_worse() -> None:
    (worse,) = compared(SLOW, history(8)).degradations
    assert worse.kind == "rtt"
    assert worse.now == {"rtt_p50_ms": 75.0, "rtt_p95_ms": 300.0}
    assert worse.usual == {"rtt_p50_ms": 24.0, "rtt_p95_ms": 95.0}


def test_more_retransmissions_are_worse() -> None:
    (worse,) = compared((24.0, 95.0, 6.0, 400.0), history(8)).degradations
    assert worse.kind == "retransmitting"
    assert worse.now == {"retransmitting_percent": 6.0}
    assert worse.usual == {"retransmitting_percent": 0.4}


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param((43.0, 300.0, 0.4, 400.0), id="under-20-ms-more"),
        pytest.param((24.0, 95.0, 5.3, 400.0), id="under-5-points-more"),
        pytest.param((24.0, 95.0, 9.0, 110.0), id="nine-connections-retransmit"),
        pytest.param((75.0, 98.0, 0.4, 400.0), id="more-connections-to-farther-places"),
        pytest.param((24.0, 900.0, 0.4, 400.0), id="one-path-in-twenty"),
        pytest.param((75.0, 300.0, 20.0, 19.0), id="nineteen-connections"),
        pytest.param((5.0, 20.0, 0.0, 400.0), id="better"),
    ],
)
def test_not_clearly_worse(figures: Figures) -> None:
    assert kinds(figures, history(8)) == []


def test_twice_as_slow_is_worse_only_by_20_ms() -> None:
    def lan(quarter: int) -> Figures:
        return (0.4, 2.0, 0.0, 400.0)

    assert kinds((4.0, 19.0, 0.0, 400.0), history(8, lan)) == []
    assert kinds((21.0, 40.0, 0.0, 400.0), history(8, lan)) == ["rtt"]


def test_the_newest_look_and_three_rows_must_show_it() -> None:
    assert kinds(SLOW, history(8), minutes=3) == []
    assert kinds(SLOW, history(8), minutes=4) == ["rtt"]


def test_rows_without_tcp_info_are_passed_over() -> None:
    nothing: Figures = (None, None, None, None)
    rows = [row(minute, SLOW if minute % 5 == 0 else nothing) for minute in range(-19, 1)]
    assert [one.kind for one in compare(rows[-1], rows, history(8)).degradations] == ["rtt"]
    assert compare(rows[-1], rows[-14:], history(8)).degradations == ()


def test_rows_of_another_boot_or_an_hour_ago_confirm_nothing() -> None:
    slow = [row(minute, SLOW) for minute in (-90, -80, -70, 0)]
    assert compare(slow[-1], slow, history(8)).degradations == ()
    slow = [row(minute, SLOW, boot_id="another") for minute in (-3, -2, -1)] + [row(0, SLOW)]
    assert compare(slow[-1], slow, history(8)).degradations == ()


def test_ten_minutes_after_a_boot_are_quiet() -> None:
    def booted(minutes_ago: float) -> list[Point]:
        rows = [row(minute, SLOW) for minute in range(-3, 1)]
        return [one._replace(boottime_seconds=one.wall_seconds - 900.0 * NOW + 60 * minutes_ago) for one in rows]

    early, later = booted(12), booted(13)
    assert compare(early[-1], early, history(8)).degradations == ()
    assert compare(later[-1], later, history(8)).degradations != ()


def test_hours_that_the_history_does_not_know_say_only_what_is_glaring() -> None:
    assert compared(SLOW, history(19 / DAY)) == quality.UNKNOWN
    for days in (6 / 24, 20 / 24):
        assert kinds((75.0, 300.0, 9.0, 400.0), history(days)) == []  # the median is what one in twenty always had
        assert kinds((96.0, 300.0, 11.0, 400.0), history(days)) == ["rtt", "retransmitting"]
    assert kinds((60.0, 300.0, 6.0, 400.0), history(2)) == ["rtt", "retransmitting"]


def test_the_first_weekend_without_neighbours_is_no_degradation() -> None:
    def office(quarter: int) -> Figures:
        return (1.7, 235.0, 0.4, 400.0)

    alone: Figures = (137.0, 490.0, 0.4, 120.0)
    quarters = history(2 + 5, office)  # of Wednesday to Wednesday, the weekend in it
    assert kinds(alone, quarters) == ["rtt"]
    saturday = [each._replace(quarter=each.quarter + 3 * DAY) for each in quarters[-5 * DAY :]]
    rows = [row(3 * 24 * 60 + minute, alone) for minute in range(-3, 1)]
    assert compare(rows[-1], rows, saturday).degradations == ()


def test_few_connections_are_not_compared() -> None:
    found = compared((75.0, 300.0, 0.4, 19.0), history(8))
    assert (found.missing, found.degradations) == ("connections", ())
    assert compared(STEADY, history(8, lambda quarter: (24.0, 95.0, 0.4, 19.0))) == quality.UNKNOWN
    assert levels.MINIMUM_MEASURED == 20


def test_what_lasts_a_day_is_usual_then() -> None:
    """A changed path is said for a day."""

    def changed(hours_ago: float) -> list[Rollup]:
        return history(8, lambda quarter: SLOW if quarter >= NOW - 4 * hours_ago else STEADY)

    assert kinds(SLOW, changed(1)) == ["rtt"]
    assert kinds(SLOW, changed(23)) == ["rtt"]
    assert kinds(SLOW, changed(30)) == []


def test_a_bad_hour_last_week_hides_nothing() -> None:
    bad = history(8, lambda quarter: (400.0, 900.0, 20.0, 400.0) if quarter in range(NOW - 300, NOW - 296) else STEADY)
    assert kinds(SLOW, bad) == ["rtt"]


LAN: Figures = (1.5, 9.0, 0.4, 400.0)
FAR: Figures = (120.0, 180.0, 8.0, 400.0)


def said_of_a_job(lasts: int, minutes: int, has_run: Callable[[int], bool]) -> list[str]:
    """What is said when a job to far places has gone on for so long, where it ran so many minutes of some quarters."""

    def mean(quarter: int) -> Figures:
        share = lasts / 15 if has_run(quarter) else 0.0
        return 1.5 + 118.5 * share, 9.0 + 171.0 * share, 0.4 + 7.6 * share, 400.0

    highest = history(8, lambda quarter: FAR if has_run(quarter) else LAN)
    rows = [*(row(minute, LAN) for minute in range(-30, 0)), *(row(minute, FAR) for minute in range(minutes))]
    return [one.kind for one in compare(rows[-1], rows, history(8, mean), highest).degradations]


BOTH = ["rtt", "retransmitting"]


@pytest.mark.parametrize(
    ("said", "lasts", "minutes", "has_run"),
    [
        pytest.param([], 10, 10, lambda quarter: quarter % DAY == 48, id="usual-nightly"),
        pytest.param([], 10, 20, lambda quarter: quarter % DAY in (48, 49), id="usual-nightly-across-two-quarters"),
        pytest.param([], 15, 15, lambda quarter: quarter == NOW - 7 * DAY, id="usual-weekly"),
        pytest.param([], 15, 15, lambda quarter: quarter == NOW - 7 * DAY - 4, id="usual-an-hour-later-than-last-week"),
        pytest.param([], 6, 6, lambda quarter: quarter % 4 == 0, id="usual-hourly"),
        pytest.param(
            [], 10, 10, lambda quarter: quarter in (NOW - 200, NOW - 310, NOW - 420), id="usual-at-three-other-hours"
        ),
        pytest.param(
            BOTH, 10, 10, lambda quarter: quarter in (NOW - 200, NOW - 310), id="worse-at-two-other-hours-before"
        ),
        pytest.param(BOTH, 10, 10, lambda quarter: quarter % DAY == 80, id="worse-nightly-and-now-at-noon"),
        pytest.param(BOTH, 10, 20, lambda quarter: quarter % DAY == 48, id="worse-twice-as-long-as-ever"),
        pytest.param(BOTH, 15, 20, lambda quarter: quarter == NOW - DAY + 4, id="worse-the-newest-day-is-left-out"),
        pytest.param(BOTH, 15, 4, lambda quarter: False, id="worse-never-before"),
    ],
)
def test_what_a_job_did_at_this_hour_or_at_many_is_usual(
    said: list[str], lasts: int, minutes: int, has_run: Callable[[int], bool]
) -> None:
    assert said_of_a_job(lasts, minutes, has_run) == said


def by_day(quarter: int) -> Figures:
    """Neighbours at noon, another continent at night."""
    far = 0.5 - 0.5 * math.cos(2 * math.pi * (quarter % DAY - 48) / DAY)
    return (20 + 160 * far, 90 + 160 * far, 0.4 + 6 * far, 400 - 300 * far)


def test_daily_rhythm_is_usual() -> None:
    quarters = history(9, by_day)
    for hour in range(-24, 0):
        figures = by_day(NOW + 4 * hour)
        rows = [row(60 * hour + minute, figures) for minute in range(-3, 1)]
        known = [each for each in quarters if each.quarter < NOW + 4 * hour]
        assert compare(rows[-1], rows, known).degradations == (), hour


def test_few_more_of_few_may_be_chance() -> None:
    def lossy(quarter: int) -> Figures:
        return (24.0, 95.0, 6.0, 110.0)

    assert kinds((24.0, 95.0, 12.5, 110.0), history(8, lossy)) == []
    assert kinds((24.0, 95.0, 12.5, 1100.0), history(8, lossy)) == ["retransmitting"]


def test_constant_history_has_no_deviation_to_go_by() -> None:
    assert kinds((49.0, 143.0, 0.4, 400.0), history(8)) == ["rtt"]
    assert kinds((49.0, 142.0, 0.4, 400.0), history(8)) == []
    assert kinds((43.9, 143.0, 0.4, 400.0), history(8)) == []


def noisy(seed: int, spread: float) -> Iterator[Figures]:
    """Small hosts: few connections, and who they are to changes within minutes."""
    generator = random.Random(seed)
    mood = 0.0
    while True:
        mood = 0.9 * mood + generator.gauss(0, 0.43 * spread)
        near, far = (math.exp(mood + generator.gauss(0, spread)) for _ in range(2))
        yield (24 * near, 95 * far, 100 * generator.randrange(3) / 25, 25.0)


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.6])
def test_noise_is_no_degradation(spread: float) -> None:
    for seed in range(10):
        figures = noisy(seed, spread)
        quarters = history(8, lambda quarter: next(figures))  # noqa: B023
        rows = [row(minute, next(figures)) for minute in range(60)]
        found = [compare(rows[at], rows[:at], quarters).degradations for at in range(4, 60, 2)]
        assert not any(found), (seed, spread)


def test_noisy_host_that_becomes_five_times_slower_is_worse() -> None:
    figures = noisy(1, 0.3)
    quarters = history(8, lambda quarter: next(figures))
    assert kinds((160.0, 600.0, 4.0, 25.0), quarters) == ["rtt"]
