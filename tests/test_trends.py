import pytest

from tcptide import trends
from tcptide.model import Point
from tcptide.series import COUNTERS, NAMES

QUARTER = 1_888_888
BEGIN = QUARTER * 900


def point(
    seconds: float, boot: str = "a", cookie: int | None = 1, wall: float | None = None, **values: float | None
) -> Point:
    """A point some seconds into the quarter, on a machine that booted 10,000 s before it."""
    seen: dict[str, float | None] = dict.fromkeys(NAMES)
    return Point(None, BEGIN + seconds if wall is None else wall, 10_000 + seconds, boot, cookie, {**seen, **values})


def test_rates_are_per_second() -> None:
    rates = trends.rates(point(60, active_opens=400, out_segs=0), [point(0, active_opens=100, out_segs=0)])
    assert (rates.seconds, rates.missing) == (60.0, None)
    assert rates.per_second == {**dict.fromkeys(COUNTERS), "active_opens": 5.0, "out_segs": 0.0}


@pytest.mark.parametrize(
    ("ages", "seconds"),
    [
        pytest.param((29.9,), 0.0, id="first-29.9s"),
        pytest.param((30,), 30.0, id="ok-30s"),
        pytest.param((900,), 900.0, id="ok-900s"),
        pytest.param((900.1,), 0.0, id="gap-900.1s"),
        pytest.param((300, 120, 60, 20, 0), 60.0, id="ok-youngest-of-many"),
        pytest.param((20, 60, 120), 60.0, id="ok-any-order"),
    ],
)
def test_the_other_point_is_the_youngest_that_is_old_enough(ages: tuple[float, ...], seconds: float) -> None:
    earlier = [point(-age, active_opens=1000 - age) for age in ages]
    rates = trends.rates(point(0, active_opens=1000), earlier)
    assert rates.seconds == pytest.approx(seconds)
    assert rates.per_second["active_opens"] == (pytest.approx(1.0) if seconds else None)


NEWEST = point(0, active_opens=1000, out_segs=50)


@pytest.mark.parametrize(
    ("earlier", "missing"),
    [
        pytest.param([], "first", id="first-nothing"),
        pytest.param([NEWEST], "first", id="first-itself"),
        pytest.param([point(-10, active_opens=1)], "first", id="first-too-young"),
        pytest.param([point(-901, active_opens=1)], "gap", id="gap-too-old"),
        pytest.param([point(-901, active_opens=1), point(-10, active_opens=1)], "gap", id="gap-too-old-and-too-young"),
        pytest.param([point(-60, boot="b", active_opens=1)], "reset", id="reset-other-boot"),
        pytest.param([point(-60, cookie=2, active_opens=1)], "reset", id="reset-other-namespace"),
        pytest.param([point(-60, boot="b"), point(-10, active_opens=1)], "reset", id="reset-just-booted"),
        pytest.param([point(-60, active_opens=1001, out_segs=51)], "reset", id="reset-all-went-down"),
        pytest.param([point(-60)], "reset", id="reset-none-was-seen"),
    ],
)
def test_why_there_is_no_rate(earlier: list[Point], missing: str) -> None:
    assert trends.rates(NEWEST, earlier) == (0.0, dict.fromkeys(COUNTERS), missing)


def test_one_counter_that_went_down_has_no_rate() -> None:
    rates = trends.rates(NEWEST, [point(-60, active_opens=1001, out_segs=20)])
    assert (rates.per_second["active_opens"], rates.per_second["out_segs"]) == (None, 0.5)
    assert rates.missing is None


def test_rollup_of_gauges_and_counters() -> None:
    points = [point(seconds, total=seconds / 60, active_opens=seconds * 2) for seconds in range(-60, 961, 60)]
    rollups = {rollup.statistic: rollup for rollup in trends.roll_up(QUARTER, points)}
    assert {name: rollup.values["total"] for name, rollup in rollups.items()} == {
        "min": 0,
        "mean": 7,
        "max": 14,
        "p95": 14,
    }
    assert {rollup.values["active_opens"] for rollup in rollups.values()} == {2.0}
    assert {rollup.values["established"] for rollup in rollups.values()} == {None}
    assert {(rollup.quarter, rollup.samples, rollup.covered_seconds) for rollup in rollups.values()} == {
        (QUARTER, 15, 900.0)
    }


def test_rollup_of_nothing() -> None:
    assert trends.roll_up(QUARTER, []) == ()
    assert trends.roll_up(QUARTER, [point(-30), point(901)]) == ()


def test_p95_is_the_nearest_rank() -> None:
    points = [point(seconds * 40, total=seconds) for seconds in range(20)]
    assert trends.roll_up(QUARTER, points)[3].values["total"] == 18


def test_the_mean_rate_is_weighted_by_time() -> None:
    points = [point(0, active_opens=0), point(60, active_opens=600), point(240, active_opens=600)]
    least, mean, most, _ = trends.roll_up(QUARTER, points)
    assert (least.values["active_opens"], mean.values["active_opens"], most.values["active_opens"]) == (0.0, 2.5, 10.0)


@pytest.mark.parametrize(
    ("points", "covered"),
    [
        pytest.param([point(30)], 30.0, id="alone-clipped"),
        pytest.param([point(300)], 60.0, id="alone"),
        pytest.param([point(-30), point(30), point(90)], 90.0, id="begins-before"),
        pytest.param([point(870), point(930)], 90.0, id="ends-after"),
        pytest.param([point(100), point(280)], 240.0, id="three-intervals-are-no-gap"),
        pytest.param([point(100), point(290)], 120.0, id="a-gap-counts-one-interval"),
        pytest.param([point(100), point(160, boot="b")], 120.0, id="a-boot-counts-one-interval"),
        pytest.param([point(60 * n) for n in range(16)] * 2, 900.0, id="at-most-all"),
    ],
)
def test_covered_seconds(points: list[Point], covered: float) -> None:
    assert trends.roll_up(QUARTER, points)[0].covered_seconds == pytest.approx(covered)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(point(60, boot="b", active_opens=600), id="boot"),
        pytest.param(point(60, cookie=2, active_opens=600), id="namespace"),
        pytest.param(point(60, active_opens=-1), id="reset"),
        pytest.param(point(0, active_opens=600), id="no-time-passed"),
    ],
)
def test_no_rate_across(second: Point) -> None:
    assert {r.values["active_opens"] for r in trends.roll_up(QUARTER, [point(0, active_opens=0), second])} == {None}


def test_a_wall_clock_that_steps_back_gives_no_negative_rates() -> None:
    points = [point(600, active_opens=0), point(660, wall=BEGIN + 60.0, active_opens=60)]
    assert trends.roll_up(QUARTER, points)[1].values["active_opens"] == 1.0
