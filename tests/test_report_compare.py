"""What a period is compared with: which time, moved how, and what the changes are called."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from reporter import compare, frames, page, period, quarters, words
from reporter.limits import Limits
from reporter.load import Loaded
from reporter.page import Page
from reporter.quarters import Quarters
from tcptide.model import Rollup, Source
from tcptide.schema import QUARTER_SECONDS
from tcptide.series import COUNTERS, NAMES

from .samples import rates

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def shown(wall: float, zone: ZoneInfo = BERLIN) -> str:
    return f"{datetime.fromtimestamp(wall, zone):%a %m-%d %H:%M%z}"


@pytest.mark.parametrize(
    ("label", "since", "until", "days", "told"),
    [
        ("2026-W47", "Mon 11-09 00:00+0100", "Mon 11-16 00:00+0100", 7, "the week before"),
        ("2026-W43", "Mon 10-12 00:00+0200", "Mon 10-19 00:00+0200", 7, "the week before"),
        ("2026-W44", "Mon 10-19 00:00+0200", "Mon 10-26 00:00+0100", 7, "the week before"),
        ("2026-11-25", "Wed 11-18 00:00+0100", "Thu 11-19 00:00+0100", 7, "the same day a week before"),
        ("2026-10", "Tue 09-01 00:00+0200", "Thu 10-01 00:00+0200", 28, "the month before"),
    ],
)
def test_calendar_periods_are_compared_with(label: str, since: str, until: str, days: int, told: str) -> None:
    one = period.calendar(label, BERLIN, at("2026-11-30"))
    found = period.earlier(one, one.since, one.until, BERLIN)
    assert (shown(found.since), shown(found.until), found.days, found.words) == (since, until, days, told)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-11-25T12:00", "2026-11-26T12:00", ("Wed 11-18 12:00+0100", "Thu 11-19 12:00+0100", 7)),
        ("2026-10-26T12:00", "2026-10-27T12:00", ("Mon 10-19 12:00+0200", "Tue 10-20 12:00+0200", 7)),
        ("2026-11-01T12:00", "2026-11-26T12:00", ("Sun 10-04 12:00+0200", "Thu 10-29 12:00+0100", 28)),
    ],
    ids=["day", "clocks-changed", "four-weeks"],
)
def test_other_periods_are_compared_with_the_same_weekdays(
    since: str, until: str, expected: tuple[str, str, int]
) -> None:
    found = period.earlier(None, at(since), at(until), BERLIN)
    assert (shown(found.since), shown(found.until), found.days) == expected
    weeks = "a week" if found.days == 7 else f"{found.days // 7} weeks"
    assert found.words == f"the same time {weeks} before"


def rolled(since: float, until: float, total: float, skipped: Iterable[int] = ()) -> Quarters:
    """Mean and maximum of quarters: `total` connections and one more each quarter, ten opens a second."""
    every = range(int(since // QUARTER_SECONDS), int(until // QUARTER_SECONDS))
    left_out = {every[number] for number in skipped}
    pairs = []
    for number, quarter in enumerate(every):
        values: dict[str, float | None] = dict.fromkeys(NAMES)
        values |= dict.fromkeys(COUNTERS, 0.0)
        values |= {"total": total + number, "active_opens": 4.0, "passive_opens": 6.0, "worst_destination": 10.0}
        values |= {"attempt_fails": 0.01 * total, "out_segs": 1000.0, "retrans_segs": 1.0}
        if quarter not in left_out:
            mean, most = (Rollup(name, quarter, 15, 900.0, values) for name in ("mean", "max"))
            pairs.append((mean, most))
    return quarters.of(pairs)


def before(label: str, now: str = "2026-12-31") -> compare.Before:
    """What is compared with a week, as it was stored: its quarters have numbers."""
    one = period.calendar(label, BERLIN, at(now))
    found = period.earlier(one, one.since, one.until, BERLIN)
    past = frames.history([], found.since, found.until, 60.0, rolled(found.since, found.until, 0))
    return compare.Before(found.words, found.days, past)


def test_earlier_total_is_moved_to_the_same_weekday_and_clock() -> None:
    moved = before("2026-W47").total(BERLIN)
    assert (len(moved), shown(moved.index[0]), moved.iloc[0]) == (672, "Mon 11-16 00:00+0100", 0)
    assert np.diff(moved.index).tolist() == [900.0] * 671


def test_week_in_which_clocks_go_back_has_an_hour_with_nothing_to_compare() -> None:
    moved = before("2026-W43").total(BERLIN)  # 169 hours, compared with 168
    assert len(moved) == 672
    by_time = {shown(wall): total for wall, total in zip(moved.index.to_numpy(), moved, strict=True)}
    assert by_time["Sun 10-25 01:45+0200"] + 1 == by_time["Sun 10-25 02:00+0200"]
    assert "Sun 10-25 02:00+0100" not in by_time
    assert by_time["Sun 10-25 02:45+0200"] + 1 == by_time["Sun 10-25 03:00+0100"]
    assert by_time["Sun 10-25 23:45+0100"] == 671


def test_week_after_clocks_went_back_leaves_the_second_hour_out() -> None:
    moved = before("2026-W44").total(BERLIN)  # 168 hours, compared with 169
    assert len(moved) == 672
    by_time = {shown(wall): total for wall, total in zip(moved.index.to_numpy(), moved, strict=True)}
    assert (by_time["Sun 11-01 02:45+0100"], by_time["Sun 11-01 03:00+0100"]) == (6 * 96 + 11, 6 * 96 + 16)


def test_hour_that_clocks_skip_has_no_place() -> None:
    moved = before("2026-W13").total(BERLIN)  # 167 hours, compared with 168
    assert len(moved) == 668
    by_time = {shown(wall): total for wall, total in zip(moved.index.to_numpy(), moved, strict=True)}
    assert (by_time["Sun 03-29 01:45+0100"], by_time["Sun 03-29 03:00+0200"]) == (6 * 96 + 7, 6 * 96 + 12)


def test_zones_with_quarters_of_an_hour_keep_their_quarters() -> None:
    for name in ("Asia/Kolkata", "Asia/Kathmandu"):
        zone = ZoneInfo(name)
        one = period.calendar("2026-W47", zone, at("2026-12-31"))
        found = period.earlier(one, one.since, one.until, zone)
        past = frames.history([], found.since, found.until, 60.0, rolled(found.since, found.until, 0))
        moved = compare.Before(found.words, found.days, past).total(zone)
        assert (len(moved), moved.index[0], moved.index[-1]) == (672, one.since, one.until - 900)


def test_gap_of_the_earlier_week_stays_a_gap() -> None:
    one = period.calendar("2026-W47", BERLIN, at("2026-12-31"))
    found = period.earlier(one, one.since, one.until, BERLIN)
    rollups = rolled(found.since, found.until, 0, skipped=range(100, 104))
    past = frames.history([], found.since, found.until, 60.0, rollups)
    moved = compare.Before(found.words, found.days, past).total(BERLIN)
    assert len(moved) == 672
    assert np.flatnonzero(moved.isna()).tolist() == [100, 101, 102, 103]


def week(total: float, past: Quarters, skipped: Iterable[int] = ()) -> Page:
    one = period.calendar("2026-W47", ZoneInfo("UTC"), at("2026-12-31"))
    loaded = Loaded(
        source=Source("host", "web1", False),
        since=one.since,
        until=one.until,
        begins_late=False,
        points=[],
        rollups=rolled(one.since, one.until, total, skipped),
        newest=None,
        rates=rates(),
        fullest_destination=None,
        fullest_listener=None,
        calendar=one,
        earlier=period.earlier(one, one.since, one.until, UTC),
        earlier_rollups=past,
    )
    return page.build(loaded, 60.0, UTC, one.until + 3600, Limits({}))


def changes(of: Page) -> dict[str, str]:
    return {figure.title: figure.change for figure in of.figures}


@pytest.fixture(scope="module")
def before_utc() -> tuple[float, float]:
    one = period.calendar("2026-W46", ZoneInfo("UTC"), at("2026-12-31"))
    return one.since, one.until


def test_key_figures_carry_their_change(before_utc: tuple[float, float]) -> None:
    made = week(1000, rolled(*before_utc, total=800))
    assert made.compared == "Changes are against the week before."
    assert changes(made) == {
        "Connections": "mean +18%, highest +14% on the week before",
        "Opened": "no change since the week before",
        "Fullest destination": "no change since the week before",
        "Failed opens": "+20 points on the week before",
        "Retransmits": "no change since the week before",
    }


@pytest.mark.parametrize(
    ("stored", "skipped", "line"),
    [
        ((0, 672), (), "Not compared: nothing is stored of the week before."),
        ((96, 672), (), "Not compared with the week before: samples cover 24 of 168 hours then."),
        ((0, 0), range(96, 672), "Not compared with the week before: samples cover 24 of 168 hours of this period."),
    ],
    ids=["missing", "barely-covered", "this-one-barely-covered"],
)
def test_comparison_that_would_mislead_is_none(
    before_utc: tuple[float, float], stored: tuple[int, ...], skipped: Iterable[int], line: str
) -> None:
    since, until = before_utc
    past = rolled(since, until, 800, range(*stored))
    made = week(1000, past, skipped)
    assert made.compared == line
    assert set(changes(made).values()) == {""}
    assert line in page.render(made)


def test_period_without_anything_to_compare_with_says_nothing(before_utc: tuple[float, float]) -> None:
    none = replace(week(1000, quarters.NONE), compared="")
    assert "compared" not in page.render(none)


@pytest.mark.parametrize(
    ("now", "past", "told"),
    [
        (112, 100, "+12%"),
        (97, 100, "-3%"),
        (100.4, 100, "no change"),
        (2000, 100, "20 times as much"),
        (0, 100, "-100%"),
        (5, 0, ""),
        (0, 0, "no change"),
        (None, 100, ""),
        (float("nan"), 100, ""),
    ],
)
def test_change_in_words(now: float | None, past: float | None, told: str) -> None:
    assert words.change(now, past) == told


@pytest.mark.parametrize(
    ("now", "past", "told"),
    [(3.9, 3.5, "+0.4 points"), (3.5, 95.0, "-92 points"), (3.51, 3.5, "no change"), (None, 3.5, "")],
)
def test_change_of_a_percentage_in_words(now: float | None, past: float | None, told: str) -> None:
    assert words.points(now, past) == told
