"""Bursts that come back on time: learnt, told from floods, met again after gaps and clocks that were set."""

import pytest

from tests.series import DAY_SAMPLES, HOUR_SAMPLES, Watch, bursts, told, usual, watch

LEVEL, HEIGHT = 200, 600


def job(period: int, samples: int, late: tuple[int, ...] = (), seed: int = 1) -> list[int]:
    return bursts(usual(LEVEL, samples, seed), period, HEIGHT, late)


@pytest.mark.parametrize("period", [5, 7, 10, 15, 20, 30, 60])
def test_periodic_from_the_fifth_burst_on(period: int) -> None:
    verdicts = watch(job(period, 12 * period + 60))
    known = verdicts[6 * period :]
    assert {verdict.pattern for verdict in known} == {"periodic"}
    assert {verdict.since for verdict in known} == {None}


def test_spike_until_it_is_learnt() -> None:
    verdicts = watch(job(20, 5 * 20 + 5))
    assert told(verdicts) == ["spike"]
    assert {verdict.pattern for verdict in verdicts[-5:]} == {"periodic"}


@pytest.mark.parametrize("width", [2, 3])
def test_periodic_bursts_of_several_samples(width: int) -> None:
    once = job(15, 5 * HOUR_SAMPLES)
    wide = [max(once[max(0, number - width + 1) : number + 1]) for number in range(len(once))]
    assert {verdict.pattern for verdict in watch(wide)[7 * 15 :]} == {"periodic"}


def test_periodic_bursts_that_differ_in_height() -> None:
    counts = usual(LEVEL, 8 * HOUR_SAMPLES)
    counts = [count + (400 + 37 * number % 300) * (number % 15 == 0) for number, count in enumerate(counts)]
    assert told(watch(counts)[7 * 15 :]) == []


def test_periodic_bursts_from_nothing() -> None:
    assert {verdict.pattern for verdict in watch(([0] * 9 + [60]) * 30)[-100:]} == {"periodic"}


@pytest.mark.parametrize("period", [10, 15, 30])
def test_a_burst_a_sample_late_is_no_news(period: int) -> None:
    verdicts = watch(job(period, 20 * period, late=(12, 16)))
    assert {verdict.pattern for verdict in verdicts[6 * period :]} == {"periodic"}


@pytest.mark.parametrize("gap_samples", [5, 47, 300], ids=["minutes", "most-of-an-hour", "hours"])
def test_periodic_again_after_a_gap(gap_samples: int) -> None:
    counts = job(10, 10 * HOUR_SAMPLES)
    seen = Watch()
    seen.see(counts[:200])
    seen.wall += 60 * gap_samples
    after = seen.see(counts[200 + gap_samples :])
    assert told(after) == []
    assert {verdict.pattern for verdict in after[60:]} == {"periodic"}


@pytest.mark.parametrize("step", [3600, -3600], ids=["forward", "back"])
def test_periodic_again_after_the_clock_was_set_by_an_hour(step: int) -> None:
    counts = job(15, 10 * HOUR_SAMPLES)
    seen = Watch()
    seen.see(counts[:303])
    seen.wall += step
    after = seen.see(counts[303:])
    assert told(after) == []
    assert {verdict.pattern for verdict in after[90:]} == {"periodic"}


def test_normal_again_when_the_job_is_gone() -> None:
    seen = Watch()
    seen.see(job(10, 3 * HOUR_SAMPLES))
    after = seen.see(usual(LEVEL, 3 * HOUR_SAMPLES, seed=2))
    assert told(after) == []
    assert after[-1].pattern == "normal"


def test_a_job_that_was_paused_is_still_known() -> None:
    seen = Watch()
    seen.see(job(10, 4 * HOUR_SAMPLES))
    seen.see(usual(LEVEL, 2 * HOUR_SAMPLES, seed=2))
    assert told(seen.see(job(10, 2 * HOUR_SAMPLES, seed=3))) == []


def test_a_burst_that_stays_is_a_flood() -> None:
    seen = Watch()
    seen.see(job(15, 5 * HOUR_SAMPLES))
    seen.see(usual(LEVEL, 14, seed=2))
    assert told(seen.see([LEVEL + HEIGHT] * 20))[-1] == "rapid_increase"


def test_a_flood_is_told_among_bursts_and_they_are_known_after_it() -> None:
    counts = job(10, 10 * HOUR_SAMPLES)
    flood = [count + 1500 * (300 <= number < 330) for number, count in enumerate(counts)]
    verdicts = watch(flood)
    assert told(verdicts[60:300]) == []
    assert told(verdicts[300:330])[-1] == "rapid_increase"
    assert told(verdicts[335:]) == []
    assert verdicts[-1].pattern == "periodic"


def test_a_burst_out_of_turn_is_a_spike() -> None:
    counts = job(20, 10 * HOUR_SAMPLES)
    counts[410] += HEIGHT
    assert [number for number, verdict in enumerate(watch(counts)) if verdict.pattern == "spike" and number > 120] in (
        [410],
        [410, 411],
    )


def test_a_much_higher_burst_on_time_is_news() -> None:
    counts = job(20, 10 * HOUR_SAMPLES)
    counts[400] += 10 * HEIGHT
    assert told(watch(counts)[120:]) == ["spike"]


def test_normal_chance_peaks_make_no_period() -> None:
    periodic = sum(verdict.pattern == "periodic" for verdict in watch(usual(1000, 3 * DAY_SAMPLES, seed=7)))
    assert periodic == 0
