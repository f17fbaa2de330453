"""Floods, outages, lasting shifts and spikes, and what looks like one and is none."""

import pytest

from tcptide.patterns import SENSITIVITIES
from tests.series import DAY_SAMPLES, HOUR_SAMPLES, START, Watch, bursts, days, first, runs, told, usual, watch

BEFORE = 3 * HOUR_SAMPLES
JUMP = [1.0]
RAMP = [0.2, 0.4, 0.6, 0.8, 1.0]


def rises(level: int, top: int, shape: list[float], samples: int) -> list[int]:
    """From level to top in this shape, which stays for the rest of the samples."""
    shares = shape + [1.0] * (samples - len(shape))
    return [round(level + (top - level) * share) for share in shares]


@pytest.mark.parametrize(
    "counts",
    [
        [0] * BEFORE,
        [5] * BEFORE,
        [100] * BEFORE,
        [0, 1, 2, 5, 3, 0, 4, 1] * 40,
        usual(3, DAY_SAMPLES),
        usual(100, HOUR_SAMPLES),
        usual(100, 2 * DAY_SAMPLES),
        usual(10_000, DAY_SAMPLES),
        days(200, 3 * DAY_SAMPLES),
        days(5000, 3 * DAY_SAMPLES, swing=1.0),
    ],
    ids=[
        "normal-zero",
        "normal-five-for-ever",
        "normal-fixed-pool",
        "normal-0-to-5",
        "normal-tiny",
        "normal-noisy-hour",
        "normal-noisy-days",
        "normal-large",
        "normal-day-cycle",
        "normal-steep-day-cycle",
    ],
)
def test_usual(counts: list[int]) -> None:
    assert [name for name, _ in runs(watch(counts))] == ["insufficient_data", "normal"]


@pytest.mark.parametrize(
    ("pattern", "level", "then"),
    [
        ("rapid_increase", 100, rises(100, 600, JUMP, 20)),
        ("rapid_increase", 100, rises(100, 500, RAMP, 20)),
        ("rapid_increase", 10_000, rises(10_000, 80_000, RAMP, 20)),
        ("rapid_increase", 0, rises(0, 200, RAMP, 20)),
        ("rapid_decrease", 100, [0] * 20),
        ("rapid_decrease", 10_000, [4000, 300, *[100] * 18]),
        ("level_shift", 400, usual(800, 30, seed=2)),
        ("level_shift", 400, usual(180, 30, seed=2)),
    ],
    ids=[
        "rapid_increase-jump",
        "rapid_increase-ramp",
        "rapid_increase-large",
        "rapid_increase-from-nothing",
        "rapid_decrease-to-nothing",
        "rapid_decrease-in-two-samples",
        "level_shift-up",
        "level_shift-down",
    ],
)
def test_a_change_is_named_soon_and_goes_on(pattern: str, level: int, then: list[int]) -> None:
    seen = Watch()
    before = seen.see(usual(level, BEFORE) if level else [0] * BEFORE)
    after = seen.see(then)
    assert told(before) == []
    assert first(after, pattern) <= 7
    assert after[-1].pattern == pattern


def test_spike_of_one_sample_is_named_at_once_and_is_over_with_it() -> None:
    seen = Watch()
    seen.see(usual(200, BEFORE))
    assert seen.see([1200])[0].pattern == "spike"
    _, *after = seen.see(usual(200, 30, seed=3))  # the first of them tells that it was short
    assert told(after) == []


@pytest.mark.parametrize("length", [1, 2, 3])
def test_spike_of_a_few_samples(length: int) -> None:
    seen = Watch()
    seen.see(usual(200, BEFORE))
    after = seen.see([1200] * length + usual(200, 30, seed=3))
    assert after[length].pattern == "spike"  # it is back: now it's known how short it was
    assert told(after)[-1] == "spike"


@pytest.mark.parametrize("low", [0, 20, 100], ids=["normal-nothing", "normal-a-tenth", "normal-half"])
def test_a_dip_of_one_sample_is_no_outage(low: int) -> None:
    seen = Watch()
    seen.see(usual(200, BEFORE))
    assert told(seen.see([low, *usual(200, 30, seed=3)])) == []


@pytest.mark.parametrize("level", [2.0, 0.45], ids=["level_shift-up", "level_shift-down"])
def test_a_lasting_shift_becomes_the_usual_level_within_an_hour(level: float) -> None:
    seen = Watch()
    seen.see(usual(400, BEFORE))
    after = seen.see(usual(400 * level, 3 * HOUR_SAMPLES, seed=2))
    assert told(after)[-1] == "level_shift"  # a rise may still be a spike at first
    names = [verdict.pattern for verdict in after]
    assert names[HOUR_SAMPLES:] == ["normal"] * 2 * HOUR_SAMPLES
    assert after[-1].expected == pytest.approx(400 * level, rel=0.1)


def test_a_shift_back_is_news_again_once_the_new_level_is_usual() -> None:
    seen = Watch()
    seen.see(usual(400, BEFORE))
    seen.see(usual(900, 2 * HOUR_SAMPLES, seed=2))
    assert told(seen.see(usual(400, 30, seed=3))) == ["level_shift"]


def test_the_end_of_a_flood_is_no_outage() -> None:
    seen = Watch()
    seen.see(usual(400, BEFORE))
    assert told(seen.see([2400] * 20))[-1] == "rapid_increase"
    assert runs(seen.see(usual(400, HOUR_SAMPLES, seed=3)))[-1] == ("normal", HOUR_SAMPLES - 1)


def test_the_end_of_an_outage_is_no_flood() -> None:
    seen = Watch()
    seen.see(usual(400, BEFORE))
    seen.see([3] * 30)
    assert told(seen.see(usual(400, HOUR_SAMPLES, seed=3))) in ([], ["rapid_decrease"])  # until it is surely back
    assert seen.verdicts[-1].pattern == "normal"


def test_who_is_more_eager_sees_smaller_changes() -> None:
    seen = {
        sensitivity: [
            top
            for top in range(110, 231, 10)
            for seed in (1, 2, 3)
            if told(watch(usual(100, BEFORE, seed) + usual(top, 30, seed + 10), sensitivity))
        ]
        for sensitivity in SENSITIVITIES
    }
    assert len(seen["quiet"]) <= len(seen["normal"]) <= len(seen["eager"])
    assert len(seen["quiet"]) < len(seen["eager"])
    assert seen["quiet"].count(230) == 3
    assert 110 not in seen["eager"]


def test_since_is_the_first_sample_of_a_change_that_took_several_to_be_sure_of() -> None:
    seen = Watch()
    seen.see([400, 380, 420, 395, 405] * 40)
    onset = seen.wall + 60
    after = seen.see([190, 170, 200, 180] * 5)
    found = first(after, "level_shift")
    assert found >= 3
    assert {verdict.since for verdict in after[found:]} == {onset}


def test_evidence_of_a_flood() -> None:
    seen = Watch()
    seen.see([100] * BEFORE)
    *_, verdict = seen.see([1000] * 10)
    assert verdict == ("rapid_increase", START + BEFORE * 60, 100.0, 1000.0, None, None)


def test_evidence_of_an_outage() -> None:
    seen = Watch()
    seen.see([100] * BEFORE)
    *_, verdict = seen.see([4] * 10)
    assert verdict == ("rapid_decrease", START + BEFORE * 60, 100.0, 4.0, None, None)


@pytest.mark.parametrize("back", [[0.8, 0.62, 0.45, 0.3, 0.2], [0.5, 0.5, 0.5, 0.14]], ids=["gradual", "in-two-steps"])
def test_quiet_the_way_back_from_a_flood_that_lasted(back: list[float]) -> None:
    before = [*usual(1000, 300), *usual(9000, 100, seed=2)]
    seen = Watch()
    seen.see(before)
    told_before = told(seen.verdicts)
    for share in back:
        seen.see(usual(9000 * share, 5, seed=3))
    seen.see(usual(1000, 100, seed=4))
    assert told_before[-1] == "rapid_increase"
    assert told(seen.verdicts) == told_before


def test_usual_has_an_expectation_and_no_evidence() -> None:
    seen = Watch()
    *_, verdict = seen.see([100] * BEFORE)
    assert verdict == ("normal", None, 100.0, 100.0, None, None)


def test_a_change_across_a_gap_is_not_sudden() -> None:
    seen = Watch()
    seen.see(usual(100, BEFORE))
    seen.wall += 2 * 3600
    assert [name for name, _ in runs(seen.see(usual(900, HOUR_SAMPLES, seed=2)))] == ["insufficient_data", "normal"]


def test_a_flood_on_top_of_bursts_is_named() -> None:
    seen = Watch()
    counts = bursts(usual(400, 5 * HOUR_SAMPLES), 10, 900)
    assert told(seen.see(counts)[100:]) == []
    assert told(seen.see(usual(4000, 30, seed=2)))[-1] == "rapid_increase"
