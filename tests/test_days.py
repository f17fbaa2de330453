"""What earlier days did at the same time: nightly jobs and steps of every morning are news only at first."""

import json

import pytest

from tcptide.detection.recurrence import DAY_SECONDS, Days
from tests.series import DAY_SAMPLES, HOUR_SAMPLES, START, Watch, first, told, usual, watch

NIGHT = 2 * HOUR_SAMPLES  # when the job begins
LASTS = 45


def nightly(nights: int, factor: float, skipped: tuple[int, ...] = (), level: int = 400) -> list[int]:
    counts = usual(level, nights * DAY_SAMPLES)
    for night in range(nights):
        if night not in skipped:
            for number in range(night * DAY_SAMPLES + NIGHT, night * DAY_SAMPLES + NIGHT + LASTS):
                counts[number] = round(factor * counts[number])
    return counts


def test_a_nightly_jump_is_told_once_and_explained_from_the_second_night_on() -> None:
    verdicts = watch(nightly(4, 2.0))
    assert told(verdicts[:DAY_SAMPLES])[-1] == "level_shift"
    assert told(verdicts[DAY_SAMPLES:]) == []
    assert verdicts[2 * DAY_SAMPLES + NIGHT + LASTS // 2].pattern == "normal"


def test_what_multiplies_must_have_happened_on_two_nights() -> None:
    verdicts = watch(nightly(4, 4.0))
    assert told(verdicts[:DAY_SAMPLES])[-1] == told(verdicts[DAY_SAMPLES : 2 * DAY_SAMPLES])[-1] == "rapid_increase"
    assert told(verdicts[2 * DAY_SAMPLES :]) == []


def test_a_night_without_the_job_does_not_forget_it() -> None:
    assert told(watch(nightly(4, 2.0, skipped=(2,)))[DAY_SAMPLES:]) == []


def test_a_larger_jump_at_the_job_s_time_is_news() -> None:
    counts = nightly(4, 2.0)
    for number in range(3 * DAY_SAMPLES + NIGHT, 3 * DAY_SAMPLES + NIGHT + LASTS):
        counts[number] *= 5
    verdicts = watch(counts)
    assert told(verdicts[DAY_SAMPLES : 3 * DAY_SAMPLES]) == []
    assert told(verdicts[3 * DAY_SAMPLES :])[-1] == "rapid_increase"


def test_the_same_jump_at_another_hour_is_news() -> None:
    seen = Watch()
    seen.see(nightly(3, 2.0))
    counts = usual(400, 12 * HOUR_SAMPLES, seed=5)
    after = seen.see(counts[: 8 * HOUR_SAMPLES] + [2 * count for count in counts[8 * HOUR_SAMPLES :]])
    assert told(after)[-1] == "level_shift"
    assert first(after, "level_shift") >= 8 * HOUR_SAMPLES


@pytest.mark.parametrize("factor", [2.0, 0.45], ids=["up", "down"])
def test_a_jump_is_explained_by_yesterday_s(factor: float) -> None:
    days = Days(60)
    for number in range(DAY_SAMPLES + NIGHT):
        days.feed(START + 60 * number, 400 * factor if NIGHT <= number < NIGHT + LASTS else 400)
    now = START + DAY_SECONDS + 60 * NIGHT
    assert days.explain(now, 400, 400 * factor)
    assert not days.explain(now, 400, 400 * factor**2)
    assert not days.explain(now, 400, 400 / factor)
    assert not days.explain(now - 5 * 3600, 400, 400 * factor)
    assert not days.explain(now, 40, 40 * factor)  # yesterday's was from another level


def test_nothing_is_explained_without_a_yesterday() -> None:
    days = Days(60)
    for number in range(DAY_SAMPLES // 2):
        days.feed(START + 60 * number, 400)
    assert not days.explain(START + DAY_SECONDS // 2, 400, 800)


def test_a_block_is_known_when_it_is_over_and_for_a_week() -> None:
    days = Days(60)
    for number in range(20):
        days.feed(START + 60 * number, 100 + number // 10)
    block = int(START // 600)
    assert (days.at(block), days.at(block + 1), days.at(block - 1)) == (100, None, None)
    days.feed(START + 6 * DAY_SECONDS, 7)
    assert (days.at(block), days.at(block + 1), days.at(block + 2)) == (100, 101, None)
    days.feed(START + 8 * DAY_SECONDS, 7)
    assert days.at(block) is None


def test_dump_and_load_go_on_with_the_same_days() -> None:
    days = Days(60)
    for number in range(2 * DAY_SAMPLES):
        days.feed(START + 60 * number, number % 97)
    again = Days(60)
    again.load(json.loads(json.dumps(days.dump())))
    assert again.dump() == days.dump()


def test_a_dump_of_another_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="another interval"):
        Days(3600).load(Days(60).dump())
