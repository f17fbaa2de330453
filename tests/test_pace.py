"""How far apart samples are: the interval that was said, another one, several in turn, and gaps."""

import json
import math
import random
from itertools import pairwise

import pytest

from tcptide.detection.pace import Pace


def counted(pace: Pace, distances: list[float]) -> list[int | None]:
    return [pace.passed(distance, False) for distance in distances]


def test_jitter_is_one_interval_and_loses_none() -> None:
    rng, pace = random.Random(1), Pace(60)
    moments = sorted(60 * number + rng.uniform(-14, 14) for number in range(1001))
    passed = counted(pace, [after - before for before, after in pairwise(moments)])
    assert None not in passed
    assert sum(one or 0 for one in passed) == pytest.approx(1000, abs=2)


def test_a_gap_is_none_and_no_other_interval() -> None:
    pace = Pace(60)
    assert counted(pace, [60, 60, 600, 60, 60, 86400, 60]) == [1, 1, None, 1, 1, None, 1]
    assert pace.interval_seconds == 60


def test_the_same_distance_three_times_is_the_interval() -> None:
    pace = Pace(60)
    assert counted(pace, [60, 300, 301, 299, 300]) == [1, None, None, None, 1]
    assert pace.interval_seconds == pytest.approx(300, rel=0.01)
    assert counted(pace, [10, 10, 10, 10]) == [1, 1, 1, 1]
    assert pace.interval_seconds == 10


@pytest.mark.parametrize("turn", [(100, 200), (45, 255), (60, 240), (70, 50, 190)], ids=str)
def test_the_mean_of_several_in_turn_is_the_interval(turn: tuple[float, ...]) -> None:
    pace = Pace(60)
    passed = counted(pace, [*turn] * 30)
    assert pace.interval_seconds == pytest.approx(sum(turn) / len(turn), rel=0.25)
    assert None not in passed[20:]


@pytest.mark.parametrize("distance", [0.0, -5.0, math.nan, math.inf, -math.inf])
def test_a_clock_that_was_set_is_a_gap(distance: float) -> None:
    pace = Pace(60)
    assert counted(pace, [60, distance, distance, distance, distance, 60]) == [1, None, None, None, None, 1]
    assert pace.interval_seconds == 60


def test_restarts_are_gaps() -> None:
    pace = Pace(60)
    assert [pace.passed(60, restarted) for restarted in (False, True, True, True, True, False)] == [1, *[None] * 4, 1]


def test_goes_on_from_a_dump() -> None:
    rng, whole, parts = random.Random(3), Pace(60), Pace(60)
    for _ in range(2000):
        distance = rng.choice([60, 60, 60, 45, 255, 300, 3600, 10, -1])
        assert whole.passed(distance, False) == parts.passed(distance, False)
        dumped, parts = json.loads(json.dumps(parts.dump())), Pace(60)
        parts.load(dumped)
    assert parts.dump() == whole.dump()
