"""A sample an hour: the day's own course lies between two samples, so earlier days say what is expected."""

import pytest

from tests.series import DAY, HOUR, Watch, days, first, runs, told, watch

DAYS = 9


def hours(number_of_days: int = DAYS, level: float = 400, seed: int = 1) -> list[int]:
    return days(level, 24 * number_of_days, HOUR, seed=seed)


def changed(factor: float, start: int, samples: int) -> list[int]:
    return [round(count * (factor if start <= number < start + samples else 1)) for number, count in enumerate(hours())]


START = 24 * (DAYS - 2) + 10  # a morning


def test_insufficient_data_for_a_day_then_normal() -> None:
    (name, samples), *rest = runs(watch(hours(), interval=HOUR))
    assert name == "insufficient_data"
    assert 24 <= samples <= 48
    assert [name for name, _ in rest] == ["normal"]


@pytest.mark.parametrize("level", [0, 2, 50, 5000], ids=["normal-zero", "normal-tiny", "normal-small", "normal-large"])
def test_usual(level: float) -> None:
    assert told(watch(hours(14, level), interval=HOUR)) == []


@pytest.mark.parametrize("interval", [900, 1800, 3600])
def test_usual_at_other_coarse_intervals(interval: int) -> None:
    assert told(watch(days(400, 8 * DAY // interval, interval), interval=interval)) == []


@pytest.mark.parametrize(
    ("patterns", "factor", "samples"),
    [
        (["rapid_decrease"], 0.0, 5),
        (["rapid_decrease"], 0.1, 12),
        (["spike"], 4.0, 1),
        (["spike"], 4.0, 3),
        (["spike", "rapid_increase"], 6.0, 12),
        (["spike", "level_shift"], 2.0, 12),
        (["level_shift"], 0.45, 8),
        ([], 1.15, 12),
        ([], 0.8, 12),
    ],
    ids=[
        "rapid_decrease-to-nothing",
        "rapid_decrease-to-a-tenth",
        "spike-of-an-hour",
        "spike-of-three-hours",
        "rapid_increase",
        "level_shift-up",
        "level_shift-down",
        "normal-a-little-more",
        "normal-a-little-less",
    ],
)
def test_a_change_against_earlier_days(patterns: list[str], factor: float, samples: int) -> None:
    verdicts = watch(changed(factor, START, samples), interval=HOUR)
    assert told(verdicts)[: max(1, len(patterns))] == patterns
    if patterns:
        assert first(verdicts, patterns[0]) <= START + 1
        assert verdicts[START + samples].pattern == "normal"


def test_evidence() -> None:
    seen = Watch(interval=HOUR)
    seen.see([100] * 24 * 4)
    onset = seen.wall + HOUR
    *_, verdict = seen.see([{"ESTABLISHED": 40, "TIME_WAIT": 60, "SYN_RECV": 900}] * 6)
    assert verdict._replace(expected=None) == ("rapid_increase", onset, None, 1000.0, None, None)
    assert verdict.expected == pytest.approx(100, rel=0.01)


def test_a_lasting_shift_is_usual_after_a_day() -> None:
    seen = Watch(interval=HOUR)
    seen.see(hours(5))
    after = seen.see([2 * count for count in hours(4, seed=2)])
    assert "level_shift" in told(after)
    assert {verdict.pattern for verdict in after[48:]} == {"normal"}


@pytest.mark.parametrize("gap_hours", [5, 30])
def test_normal_after_a_gap(gap_hours: int) -> None:
    counts, seen = hours(), Watch(interval=HOUR)
    seen.see(counts[:130])
    seen.wall += gap_hours * HOUR
    assert told(seen.see(counts[130 + gap_hours :])) == []
